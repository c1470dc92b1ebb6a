using System.Text;
using Ergon.Conformance;

namespace Ergon.Process.Tests;

/// <summary>A program that runs jobs is killed at any moment, and the next one knows everything.</summary>
public sealed class CrashTests : ProcessTests
{
    private readonly string _id = $"crash-{Guid.NewGuid():n}";
    private readonly Random _random = new();

    public CrashTests() => SkipWithoutRoot();

    private ExecutorOptions NextOptions => new() { ExecutorId = _id, DataDirectory = Scratch, DisposeBehavior = DisposeBehavior.Detach };

    [Fact]
    public async Task A_job_that_writes_all_the_time_loses_and_repeats_no_line_however_often_its_executor_is_killed()
    {
        var request = Script("i=0; while [ $i -lt 150 ]; do seq $((i*1000)) $((i*1000+999)); seq $((i*1000)) $((i*1000+999)) >&2; sleep 0.02; i=$((i+1)); done; exit 7");
        using (var first = await StartAsync("started", request))
        {
            await first.SaysAsync("started");
            await DelayAsync(300);
            await first.KillAsync();
        }

        for (var i = 0; i < 4; i++)
        {
            using var next = await StartAsync("recover");
            await next.SaysAsync("recovered");
            await DelayAsync(400);
            await next.KillAsync();
        }

        await using var last = await RecoverAsync();
        (await last.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(7);
        foreach (var stream in (OutputStream[])[OutputStream.Stdout, OutputStream.Stderr])
        {
            var lines = Encoding.ASCII.GetString(await last.ReadLogAsync(new() { ExecutionId = request.ExecutionId }, stream, Token)).Split('\n');
            lines.Should().HaveCount(150_001);
            for (var i = 0; i < 150_000; i++) if (lines[i] != $"{i}") Assert.Fail($"Line {i} of {stream} is {lines[i]}.");
        }

        await EndAsync(last);
    }

    [Fact]
    public async Task What_was_started_before_a_kill_is_there_and_what_was_not_leaves_no_trace()
    {
        for (var round = 0; round < 5; round++)
        {
            var requests = Enumerable.Range(0, 60).Select(i => Script($"echo out {i}; echo err {i} >&2; exit {i % 3}")).ToList();
            var started = 0;
            using (var host = await TestHost.StartAsync(_id, Scratch, requests, "started", Token))
            {
                while (started < 1 + (round * 10))
                {
                    await host.SaysAsync("started");
                    started++;
                }

                await Task.Delay(TimeSpan.FromMicroseconds(_random.Next(15_000)), TimeProvider.System, Token);
                await host.KillAsync();
                while (await host.ReadAsync() is not null) started++;
            }

            await using var next = await RecoverAsync();
            var known = (await next.ListAsync(cancellationToken: Token)).Select(i => i.ExecutionId).ToHashSet();
            requests.Take(started).Should().OnlyContain(r => known.Contains(r.ExecutionId));
            known.Count.Should().BeLessThanOrEqualTo(started + 1);
            for (var i = 0; i < requests.Count; i++)
            {
                if (!known.Contains(requests[i].ExecutionId)) continue;
                var result = await next.WaitAsync(requests[i].ExecutionId, Token);
                (result.Reason, result.ExitCode, result.Stdout.Text, result.Stderr.Text).Should().Be((TerminationReason.Exited, i % 3, $"out {i}\n", $"err {i}\n"));
            }

            await EndAsync(next);
        }
    }

    [Theory]
    [InlineData("exit 42", TerminationReason.Exited, 42)]
    [InlineData("kill -USR2 $$", TerminationReason.Signaled, 140)]
    [InlineData("kill -9 $$", TerminationReason.Signaled, 137)]
    [InlineData("tail /dev/zero", TerminationReason.OutOfMemory, 137)]
    public async Task A_job_that_ends_while_nobody_watches_is_known_to_have_ended_so(string end, TerminationReason reason, int code)
    {
        var go = NewGate();
        var request = Script($"echo before; {AwaitGo} head -c 5000000 /dev/zero; echo after >&2; {end}") with
        {
            Resources = new Resources { Memory = 64 << 20 },
            Inputs = [go.Volume],
        };
        using (var host = await StartAsync("started", request))
        {
            await host.SaysAsync("started");
            await host.KillAsync();
        }

        go.Open();
        await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, Token);
        await using var next = await RecoverAsync();
        var result = await next.WaitAsync(request.ExecutionId, Token);
        (result.Reason, result.ExitCode, result.Stderr.Text.StartsWith("after\n")).Should().Be((reason, code, true));
        result.Stdout.TotalBytes.Should().Be("before\n".Length + 5_000_000);
        await EndAsync(next);
    }

    [Fact]
    public async Task Scripts_go_on_with_the_next_one_and_none_runs_twice()
    {
        var scripts = Enumerable.Range(0, 6).Select(i => new ProvisionScript { Name = $"s{i}", Content = Encoding.ASCII.GetBytes($"echo begin {i}; sleep 0.2; echo end {i}") });
        var request = Script("echo job; exit 3") with { ProvisionScripts = [.. scripts] };
        using (var first = await StartAsync("started", request))
        {
            await first.SaysAsync("started");
            await DelayAsync(300);
            await first.KillAsync();
        }

        for (var i = 0; i < 2; i++)
        {
            using var next = await StartAsync("recover");
            await next.SaysAsync("recovered");
            await DelayAsync(300);
            await next.KillAsync();
        }

        await using var last = await RecoverAsync();
        var result = await last.WaitAsync(request.ExecutionId, Token);
        (result.ExitCode, result.Stdout.Text).Should().Be((3, string.Concat(Enumerable.Range(0, 6).Select(i => $"begin {i}\nend {i}\n")) + "job\n"), result.Error ?? "");
        await EndAsync(last);
    }

    [Fact]
    public async Task A_script_that_fails_while_nobody_watches_is_named_with_its_last_words()
    {
        var go = NewGate();
        var script = new ProvisionScript { Name = "setup", Content = Encoding.ASCII.GetBytes($"echo begin; {AwaitGo} echo out; echo cannot >&2; exit 9") };
        var request = Script("echo never") with { ProvisionScripts = [script], Inputs = [go.Volume] };
        using (var first = await StartAsync("running", request))
        {
            await first.SaysAsync("the job runs");
            await first.KillAsync();
        }

        go.Open();
        await using var last = await RecoverAsync();
        var result = await last.WaitAsync(request.ExecutionId, Token);
        result.ExitCode.Should().Be(9);
        result.Error.Should().Contain("setup").And.Contain("cannot");
        await EndAsync(last);
    }

    [Fact]
    public async Task A_command_that_could_not_be_run_is_still_known_as_that()
    {
        var request = Request("no-such-command");
        using (var first = await StartAsync("started", request))
        {
            await first.SaysAsync("started");
            await first.KillAsync();
        }

        await using var last = await RecoverAsync();
        (await last.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(127);
        await EndAsync(last);
    }

    [Fact]
    public async Task A_paused_job_stays_paused_until_it_is_resumed()
    {
        var go = NewGate();
        var request = Script($"echo one; {AwaitGo} echo two; exit 4") with { Inputs = [go.Volume] };
        using (var first = await StartAsync("paused", request))
        {
            await first.SaysAsync("the job runs");
            await first.KillAsync();
        }

        await using var next = await RecoverAsync();
        (await next.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Paused);
        go.Open();
        await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, Token);
        (await next.ReadStdoutAsync(request.ExecutionId, Token)).Should().Be("one\n");
        await next.ResumeAsync(request.ExecutionId, Token);
        var result = await next.WaitAsync(request.ExecutionId, Token);
        (result.ExitCode, result.Stdout.Text).Should().Be((4, "one\ntwo\n"));
        await EndAsync(next);
    }

    [Fact]
    public async Task What_the_log_does_not_keep_is_counted_across_a_kill()
    {
        var go = NewGate();
        var request = Script($"seq 1 20000; {AwaitGo} seq 20001 40000; exit 0") with { LogLimits = new LogLimits { MaxBytesPerStream = 1000 }, Inputs = [go.Volume] };
        using (var first = await StartAsync("running", request))
        {
            await first.SaysAsync("the job runs");
            await DelayAsync(200);
            await first.KillAsync();
        }

        go.Open();
        await using var last = await RecoverAsync();
        var result = await last.WaitAsync(request.ExecutionId, Token);
        var all = string.Concat(Enumerable.Range(1, 40000).Select(i => $"{i}\n"));
        result.Stdout.TotalBytes.Should().Be(all.Length);
        result.Stdout.Text.Should().Be(all[..1000]);
        await EndAsync(last);
    }

    [Fact]
    public async Task Jobs_whose_records_are_lost_are_found_by_whoever_cleans_up()
    {
        var (request, other) = (Script("(setsid sleep 1000 &); sleep 1000"), Script("sleep 1000"));
        using (var first = await StartAsync("started", request))
        {
            await first.SaysAsync("started");
            await first.KillAsync();
        }

        await Executor.StartAsync(other, Token);
        HostView.ProcessesOf(_id, request.ExecutionId).Should().NotBeEmpty();
        Directory.Delete(Scratch, recursive: true);
        await using var next = ProcessExecutor.Create(executorOptions: NextOptions);
        await next.CleanupAsync(Token);
        HostView.Leftovers([_id]).Should().BeEmpty();
        (await Executor.GetStatusAsync(other.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    private const string AwaitGo = "until [ -e /gate/go ]; do sleep 0.02; done;";

    // Lets jobs wait for the test.
    private Gate NewGate() => new(NewDirectory());

    private sealed record Gate(string Directory)
    {
        public StorageVolume Volume => new() { Source = Directory, Target = "/gate", ReadOnly = true };

        public void Open() => File.WriteAllText(Path.Combine(Directory, "go"), "");
    }

    private Task<TestHost> StartAsync(string what, params ExecutionRequest[] requests) => TestHost.StartAsync(_id, Scratch, requests, what, Token);

    private async Task<Executor> RecoverAsync()
    {
        var executor = ProcessExecutor.Create(new ProcessOptions { AllowHostNetwork = true }, NextOptions);
        await executor.RecoverAsync(Token);
        return executor;
    }

    private async Task EndAsync(Executor executor)
    {
        await executor.CleanupAsync(Token);
        HostView.Leftovers([_id]).Should().BeEmpty();
    }

    private Task DelayAsync(int most) => Task.Delay(TimeSpan.FromMilliseconds(_random.Next(most)), TimeProvider.System, Token);
}
