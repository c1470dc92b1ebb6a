using System.Text;
using Ergon.Daemon;
using Ergon.Process;

namespace Ergon.Client.Tests;

/// <summary>What a client sees of a daemon that goes away and comes back.</summary>
public sealed class RestartTests : IAsyncLifetime
{
    private readonly string _directory = Directory.CreateTempSubdirectory("restart-tests-").FullName;
    private DaemonProcess _daemon = null!;
    private RemoteExecutor _executor = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _daemon = DaemonProcess.Start(_directory, new DaemonFile { Data = Path.Combine(_directory, "data"), Executors = ["process"] });
        _executor = await RemoteExecutor.ConnectAsync(new RemoteExecutorOptions { Address = _daemon.Address, Executor = "process" }, Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _executor.CleanupAsync();
        await _executor.DisposeAsync();
        await _daemon.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task A_log_that_is_followed_goes_on_after_a_kill_without_a_byte_lost_or_repeated()
    {
        SkipWithoutRecovery(await _executor.FingerprintAsync(Token));
        var id = await StartAsync("i=0; while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); [ $((i % 100)) -eq 0 ] && sleep 0.05; done");
        var text = new StringBuilder();
        var killed = false;
        await foreach (var entry in _executor.GetLogStreamAsync(new() { ExecutionId = id, Follow = true }, Token))
        {
            text.Append(Encoding.UTF8.GetString(entry.Data.Span));
            if (killed || text.Length < 5000) continue;
            killed = true;
            await RestartAsync();
        }

        killed.Should().BeTrue();
        text.ToString().Should().Be(string.Concat(Enumerable.Range(0, 4000).Select(i => $"line {i}\n")));
    }

    [Fact]
    public async Task Who_waits_while_the_daemon_is_killed_and_restarted_learns_how_the_job_ended()
    {
        SkipWithoutRecovery(await _executor.FingerprintAsync(Token));
        var id = await StartAsync("sleep 3; echo done; exit 7");
        var waiting = _executor.WaitAsync(id, Token);
        await RestartAsync();
        var result = await waiting;
        result.ExitCode.Should().Be(7);
        result.Stdout.Text.Should().Be("done\n");
    }

    [Fact]
    public async Task Who_drains_a_daemon_that_is_killed_and_restarted_learns_when_nothing_runs_any_more()
    {
        SkipWithoutRecovery(await _executor.FingerprintAsync(Token));
        var id = await StartAsync("sleep 1000");
        (await _executor.DrainAsync(TimeSpan.Zero, Token)).Active.Should().Be(1);
        var drained = _executor.DrainAsync(Timeout.InfiniteTimeSpan, Token);
        await RestartAsync();
        (await Assert.ThrowsAsync<ExecutorException>(() => StartAsync("true"))).Code.Should().Be(ErrorCode.ResourcesUnavailable);
        await _executor.CancelAsync(id, Token);
        (await drained).Active.Should().Be(0);
        (await _executor.UndoDrainAsync(Token)).Since.Should().BeNull();
        await _executor.WaitAsync(await StartAsync("true"), Token);
    }

    [Fact]
    public async Task Results_and_logs_of_a_former_daemon_are_there()
    {
        var id = await StartAsync("echo kept; exit 3");
        (await _executor.WaitAsync(id, Token)).ExitCode.Should().Be(3);
        await RestartAsync();
        (await _executor.WaitAsync(id, Token)).ExitCode.Should().Be(3);
        (await _executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Failed);
    }

    [Fact]
    public async Task A_second_daemon_does_not_take_the_socket_of_one_that_answers()
    {
        await _executor.FingerprintAsync(Token);
        var options = new DaemonOptions { SocketPath = _daemon.Socket, DataDirectory = Path.Combine(_directory, "second"), Executors = ["process"] };
        var error = await Assert.ThrowsAsync<ExecutorException>(() => ErgonDaemon.StartAsync(options, cancellationToken: Token));
        error.Code.Should().Be(ErrorCode.StorageFailed);
        (await _executor.FingerprintAsync(Token)).Available.Should().BeTrue();
    }

    [Fact]
    public async Task A_daemon_that_is_not_there_is_said_so_in_time()
    {
        await using var lost = new RemoteExecutor(new RemoteExecutorOptions
        {
            Address = DaemonAddress.OfSocket(Path.Combine(_directory, "nobody.sock")),
            ReconnectTimeout = TimeSpan.FromMilliseconds(100),
        });
        var error = await Assert.ThrowsAsync<ExecutorException>(() => lost.ListAsync(null, Token));
        error.Code.Should().Be(ErrorCode.BackendUnavailable);
        error.Message.Should().Contain("ergon serve");
    }

    private static void SkipWithoutRecovery(ExecutorFingerprint fingerprint) =>
        Assert.SkipUnless(fingerprint.Capabilities.Recovery, "Local processes end with the daemon here.");

    private async Task RestartAsync()
    {
        await _daemon.KillAsync();
        _daemon.Restart();
    }

    private async Task<ExecutionId> StartAsync(string script)
    {
        var request = new ExecutionRequest
        {
            JobId = JobId.Parse("restart"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = new ProcessSpec { Cmd = ["/bin/sh", "-c", script] }.ToSpecConfig(),
        };
        await _executor.StartAsync(request, Token);
        return request.ExecutionId;
    }
}
