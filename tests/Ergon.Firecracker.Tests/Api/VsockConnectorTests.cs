using System.Text;
using Ergon.MicroVm.Firecracker;

namespace Ergon.Firecracker.Tests.Api;

public sealed class VsockConnectorTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_follows_the_answer_is_the_guests()
    {
        using var vsock = new HostileApi("OK 1073741824\nOK it is me", closes: false);
        await using var stream = await VsockConnector.TryConnectAsync(vsock.Directory, HostileApi.Name, 5252, Token);
        var bytes = new byte["OK it is me".Length];
        await stream!.ReadExactlyAsync(bytes, Token);
        Encoding.ASCII.GetString(bytes).Should().Be("OK it is me");
        (await vsock.Received.Task).Should().Be("CONNECT 5252\n");
    }

    [Fact]
    public async Task A_connection_that_is_closed_means_that_nobody_listens()
    {
        using var vsock = new HostileApi("");
        (await VsockConnector.TryConnectAsync(vsock.Directory, HostileApi.Name, 5252, Token)).Should().BeNull();
    }

    [Theory]
    [InlineData("NO\n", null)]
    [InlineData("OK", "x")]
    public async Task Any_other_answer_is_an_error(string answer, string? endless)
    {
        using var vsock = new HostileApi(answer, endless, closes: false);
        await Assert.ThrowsAsync<IOException>(() => VsockConnector.TryConnectAsync(vsock.Directory, HostileApi.Name, 5252, Token));
    }

    [Fact]
    public async Task A_vsock_that_is_silent_is_waited_for_no_longer_than_wanted()
    {
        using var vsock = new HostileApi("", closes: false);
        using var givesUp = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => VsockConnector.TryConnectAsync(vsock.Directory, HostileApi.Name, 5252, givesUp.Token));
    }

    [Fact]
    public async Task A_vsock_that_is_not_there_is_an_error()
    {
        using var vsock = new HostileApi("");
        (await Assert.ThrowsAsync<IOException>(() => VsockConnector.TryConnectAsync(vsock.Directory, "other.sock", 5252, Token))).Message.Should().Contain("cannot be reached");
    }
}
