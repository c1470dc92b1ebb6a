using System.Net.Sockets;
using System.Text;

namespace Ergon.Cli.Tests;

/// <summary>The daemon, as a service manager sees it.</summary>
public sealed class ServeTests : IDisposable
{
    private readonly ScratchDirectory _directory = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task The_service_manager_is_told_when_calls_are_taken_and_when_no_more()
    {
        var path = Path.Combine(_directory.FullPath, "notify");
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(path));
        await using var daemon = new ErgonCommand("serve", "--socket", SocketPath, "--data", Path.Combine(_directory.FullPath, "data")).With("NOTIFY_SOCKET", path).Start();

        (await ReceiveAsync(manager)).Should().Be("READY=1");
        var ran = await new ErgonCommand("run", "--executor", "process", "--", "echo", "hello").With("ERGON_HOST", $"unix://{SocketPath}").RunAsync();
        (ran.ExitCode, ran.Text).Should().Be((0, "hello\n"));
        daemon.Send(Signal.Hangup);
        (await ReceiveAsync(manager)).Should().MatchRegex("^RELOADING=1\nMONOTONIC_USEC=[0-9]+$");
        (await ReceiveAsync(manager)).Should().Be("READY=1");
        daemon.Send(Signal.Terminate);
        (await ReceiveAsync(manager)).Should().Be("STOPPING=1");
        (await daemon.WaitAsync()).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task Its_metrics_tell_what_was_run()
    {
        await using var daemon = new ErgonCommand("serve", "--socket", SocketPath, "--data", Path.Combine(_directory.FullPath, "data")).Start();
        await daemon.ReadUntilAsync("Listening");
        (await new ErgonCommand("run", "--executor", "process", "--", "sh", "-c", "exit 3").With("ERGON_HOST", $"unix://{SocketPath}").RunAsync()).ExitCode.Should().Be(3);
        using var client = new HttpClient(new SocketsHttpHandler { ConnectCallback = ConnectAsync });
        var metrics = await client.GetStringAsync("http://ergon/metrics", Token);
        metrics.Should().MatchRegex("ergon_executions_concluded_total\\{[^}]*ergon_reason=\"Exited\"[^}]*\\} 1").And.Contain("ergon_execution_start_duration_seconds_bucket");
        daemon.Send(Signal.Terminate);
        await daemon.WaitAsync();
    }

    [Fact]
    public async Task Settings_are_looked_at_without_serving()
    {
        var file = _directory.Write("daemon.json", """{ "persist_logs": "2h" }""");
        var good = await new ErgonCommand("serve", "--check", "--config", file, "--set", "admission.max_queued=7").With("ERGON_DAEMON_DATA", "/data").RunAsync();
        good.ExitCode.Should().Be(0, good.Error);
        good.Text.Should().Contain("\"persist_logs\":\"2h\"").And.Contain("\"max_queued\":7").And.Contain("\"data\":\"/data\"");

        var wrong = await new ErgonCommand("serve", "--check", "--config", file, "--set", "admission.max_queued=x").With("ERGON_DAEMON_SOKET", "/s").RunAsync();
        wrong.ExitCode.Should().Be(125);
        wrong.Text.Should().BeEmpty();
        wrong.Error.Should().Contain("- ERGON_DAEMON_SOKET: there is no setting 'soket'; did you mean 'socket'?").And.Contain("- admission.max_queued: is \"x\"; give a whole number.");
    }

    private string SocketPath => Path.Combine(_directory.FullPath, "ergon.sock");

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        var buffer = new byte[256];
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Token);
        deadline.CancelAfter(TimeSpan.FromMinutes(1));
        return Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer, deadline.Token));
    }
}
