using System.Net.Sockets;

namespace Ergon.Docker.Tests.Faults;

/// <summary>Waiting for an Engine that went away.</summary>
public sealed class EngineReturnTests : DockerTests
{
    private const int Waiters = 20;

    [Fact]
    public async Task An_engine_that_does_not_come_back_is_asked_once_for_everybody_who_waits()
    {
        var socket = Path.Combine(NewDirectory(), "docker.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socket));
        listener.Listen();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var counting = CountAndCloseAsync(listener, ended.Token);
        using var engine = new EngineConnection(new DockerOptions { Endpoint = new Uri($"unix://{socket}"), ReconnectTimeout = TimeSpan.FromMilliseconds(500) }, TimeProvider.System);

        (await Task.WhenAll(Enumerable.Range(0, Waiters).Select(_ => engine.Return.WaitAsync(Token)))).Should().OnlyContain(back => !back);

        await ended.CancelAsync();
        (await counting).Should().BeInRange(1, Waiters - 1);
    }

    [Fact]
    public async Task A_wait_can_be_given_up_while_others_go_on()
    {
        using var engine = new EngineConnection(new DockerOptions { Endpoint = new Uri("unix:///no/such/docker.sock"), ReconnectTimeout = TimeSpan.FromMilliseconds(500) }, TimeProvider.System);
        using var impatient = new CancellationTokenSource();
        var other = engine.Return.WaitAsync(Token);
        var given = engine.Return.WaitAsync(impatient.Token);
        await impatient.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);
        (await other).Should().BeFalse();
    }

    private static async Task<int> CountAndCloseAsync(Socket listener, CancellationToken cancellationToken)
    {
        for (var count = 0; ; count++)
        {
            try
            {
                (await listener.AcceptAsync(cancellationToken)).Dispose();
            }
            catch (OperationCanceledException)
            {
                return count;
            }
        }
    }
}
