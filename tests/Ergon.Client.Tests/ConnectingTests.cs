using System.Net.Sockets;

namespace Ergon.Client.Tests;

/// <summary>What is said of a daemon that is not there.</summary>
public sealed class ConnectingTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("connecting-tests-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task A_socket_that_is_not_there_is_told() => (await FailureAsync("none.sock")).Should().Contain("none.sock").And.Contain("there is no such socket");

    [Fact]
    public async Task A_socket_that_nobody_listens_on_is_told()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(_directory.FullName, "dead.sock")));

        (await FailureAsync("dead.sock")).Should().Contain("dead.sock").And.Contain("refused");
    }

    private async Task<string> FailureAsync(string socket)
    {
        await using var executor = new RemoteExecutor(
            new RemoteExecutorOptions { Address = DaemonAddress.OfSocket(Path.Combine(_directory.FullName, socket)), Executor = "process", ReconnectTimeout = TimeSpan.Zero });
        var error = await Assert.ThrowsAsync<ExecutorException>(() => executor.ListAsync(cancellationToken: TestContext.Current.CancellationToken));
        error.Code.Should().Be(ErrorCode.BackendUnavailable);
        return error.Message;
    }
}
