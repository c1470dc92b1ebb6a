using System.Diagnostics;
using System.Text;
using Ergon.Conformance;

namespace Ergon.Docker.Tests.Recovery;

/// <summary>A new process with the same executor id takes over what a former one left.</summary>
public sealed class RecoveryTests : DockerTests
{
    // Waits for the file 'go' in /data, so that the test decides what happens while nobody watches.
    private const string AwaitGo = "until [ -e /data/go ]; do sleep 0.02; done; ";

    [Fact]
    public async Task A_running_an_ended_and_a_paused_job_are_all_found_again()
    {
        var (options, data) = (Options(), NewDirectory());
        var running = WithData(Shell("echo first; trap 'echo last; exit 5' USR1; while :; do sleep 1000 & wait $!; done"), data);
        var ended = WithData(Shell("echo before; echo err >&2; " + AwaitGo + "echo after; touch /data/gone; exit 42"), data);
        var paused = WithData(Shell("i=0; while [ $i -lt 20 ]; do echo $i; i=$((i+1)); sleep 0.05; done; echo through; exit 0"), data);
        await using (var first = NewExecutor(null, options))
        {
            foreach (var request in new[] { running, ended, paused }) await first.StartAsync(request, Token);
            await first.WaitForOutputAsync(running.ExecutionId, "first\n", Token);
            await first.WaitForOutputAsync(ended.ExecutionId, "before\n", Token);
            await first.WaitForOutputAsync(paused.ExecutionId, "3\n", Token);
            await first.PauseAsync(paused.ExecutionId, Token);
        }

        await GoAsync(data);
        var second = NewExecutor(null, options);
        await second.RecoverAsync(Token);
        (await second.GetStatusAsync(running.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
        (await second.GetStatusAsync(paused.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Paused);

        await ExpectAsync(second, ended.ExecutionId, 42, "before\nafter\n", "err\n");
        await second.SignalAsync(running.ExecutionId, Signal.User1, Token);
        await ExpectAsync(second, running.ExecutionId, 5, "first\nlast\n", "");
        await second.ResumeAsync(paused.ExecutionId, Token);
        await ExpectAsync(second, paused.ExecutionId, 0, string.Concat(Enumerable.Range(0, 20).Select(i => $"{i}\n")) + "through\n", "");
    }

    [Fact]
    public async Task Binary_output_across_the_gap_has_no_byte_twice_or_missing()
    {
        var (options, data) = (Options(), NewDirectory());
        var bytes = new byte[1 << 20];
        new Random(7).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(data, "bytes"), bytes, Token);
        var request = WithData(Shell("head -c 300000 /data/bytes; echo ready >&2; " + AwaitGo + "tail -c +300001 /data/bytes; touch /data/gone; sleep 1000"), data);
        await using (var first = NewExecutor(null, options))
        {
            await first.StartAsync(request, Token);
            await first.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        }

        await GoAsync(data);
        var second = NewExecutor(null, options);
        await second.RecoverAsync(Token);
        var log = second.ReadLogAsync(new() { ExecutionId = request.ExecutionId, Follow = true }, OutputStream.Stdout, Token);
        await second.CancelAsync(request.ExecutionId, Token);
        (await log).AsSpan().SequenceEqual(bytes).Should().BeTrue("all {0} bytes were written, and {1} are there", bytes.Length, (await log).Length);
    }

    [Fact]
    public async Task Lines_longer_than_the_engine_keeps_in_one_piece_come_back_whole()
    {
        var (options, data) = (Options(), NewDirectory());
        var text = string.Concat(new[] { 16383, 16384, 16385, 5, 32768, 0, 100_000, 16384, 3 }.Select((n, i) => new string((char)('a' + i), n) + "\n"));
        await File.WriteAllTextAsync(Path.Combine(data, "text"), text, Token);
        var request = WithData(Shell("cat /data/text; echo ready >&2; " + AwaitGo + "cat /data/text; touch /data/gone; exit 3"), data);
        await using (var first = NewExecutor(null, options))
        {
            await first.StartAsync(request, Token);
            await first.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        }

        await GoAsync(data);
        var second = NewExecutor(null, options);
        await second.RecoverAsync(Token);
        await ExpectAsync(second, request.ExecutionId, 3, text + text, "ready\n");
    }

    [Fact]
    public async Task A_process_that_was_killed_leaves_its_jobs_to_the_next()
    {
        var (options, data) = (Options(), NewDirectory());
        var request = WithData(Shell("i=0; while [ $i -lt 60 ]; do echo out $i; echo err $i >&2; i=$((i+1)); sleep 0.05; done; exit 7"), data);
        using (var host = StartHost(options, request))
        {
            try
            {
                (await host.StandardOutput.ReadLineAsync(Token)).Should().Be("started");
                await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, Token);
            }
            finally
            {
                host.Kill();
                await host.WaitForExitAsync(CancellationToken.None);
            }
        }

        var second = NewExecutor(null, options);
        await second.RecoverAsync(Token);
        await ExpectAsync(second, request.ExecutionId, 7, Lines("out"), Lines("err"));

        static string Lines(string word) => string.Concat(Enumerable.Range(0, 60).Select(i => $"{word} {i}\n"));
    }

    [Fact]
    public async Task A_container_that_was_made_but_never_started_is_removed()
    {
        var options = Options();
        var request = Request(Hanging());
        await using (var driver = new DockerDriver(new DockerOptions { Endpoint = TestEngine.Required() }))
            await using (await driver.PrepareAsync(new() { Request = request, ExecutorId = options.ExecutorId!, WorkDirectory = NewDirectory() }, Token))
                (await TestEngine.ContainersOfAsync(options.ExecutorId!, cancellationToken: Token)).Should().ContainSingle();

        var second = NewExecutor(null, options);
        await second.RecoverAsync(Token);
        (await TestEngine.ContainersOfAsync(options.ExecutorId!, cancellationToken: Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task Cleaning_up_spares_the_containers_of_other_executors()
    {
        var (mine, other) = (NewExecutor(), NewExecutor());
        await mine.StartAsync(Request(Hanging()), Token);
        var request = Request(Hanging());
        await other.StartAsync(request, Token);
        await mine.CleanupAsync(Token);
        (await TestEngine.ContainersOfAsync(mine.ExecutorId, cancellationToken: Token)).Should().BeEmpty();
        (await other.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    private static ExecutionRequest WithData(DockerSpec spec, string directory) =>
        Request(spec) with { Inputs = [new StorageVolume { Source = directory, Target = "/data" }] };

    private ExecutorOptions Options() => new()
    {
        ExecutorId = $"docker-tests-{Guid.NewGuid():n}",
        DataDirectory = NewDirectory(),
        DisposeBehavior = DisposeBehavior.Detach,
    };

    // Lets the job go on while nobody watches, until it has written everything.
    private async Task GoAsync(string data)
    {
        await File.WriteAllTextAsync(Path.Combine(data, "go"), "", Token);
        while (!File.Exists(Path.Combine(data, "gone"))) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Token);
    }

    private async Task ExpectAsync(Executor executor, ExecutionId id, int exitCode, string stdout, string stderr)
    {
        var result = await executor.WaitAsync(id, Token);
        result.ExitCode.Should().Be(exitCode);
        result.Reason.Should().Be(TerminationReason.Exited);
        Encoding.UTF8.GetString(await executor.ReadLogAsync(new() { ExecutionId = id }, OutputStream.Stdout, Token)).Should().Be(stdout);
        Encoding.UTF8.GetString(await executor.ReadLogAsync(new() { ExecutionId = id }, OutputStream.Stderr, Token)).Should().Be(stderr);
    }

    private System.Diagnostics.Process StartHost(ExecutorOptions options, ExecutionRequest request)
    {
        var file = Path.Combine(NewDirectory(), "request.json");
        File.WriteAllBytes(file, ErgonJson.SerializeRequest(request));
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Ergon.Docker.TestHost"))
        {
            ArgumentList = { TestEngine.Required().ToString(), options.ExecutorId!, options.DataDirectory!, file },
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        return System.Diagnostics.Process.Start(start)!;
    }
}
