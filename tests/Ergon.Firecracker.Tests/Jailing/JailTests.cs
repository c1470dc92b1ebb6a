using System.Globalization;
using Ergon.Conformance;
using Ergon.Firecracker.Tests.Conformance;
using Ergon.Firecracker.Tests.Launching;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Microsoft.Extensions.Logging;

namespace Ergon.Firecracker.Tests.Jailing;

/// <summary>Machines in jails: each is a user of its own that sees its own files only, and nothing of it stays.</summary>
public sealed class JailTests(FirecrackerFixture fixture) : IAsyncLifetime
{
    private const int FirstUserId = 910_000;
    private const int UserIds = 4;

    private readonly string _executorId = $"jail-{Guid.NewGuid():n}";
    private JailerOptions _jailer = new();
    private string _data = "";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "A jailer needs root.");
        var jailer = await FirecrackerProgram.InstallJailerAsync(fixture.NewDirectory());
        Assert.SkipWhen(jailer is null, "There is no 'jailer' beside the Firecracker that ERGON_TEST_FIRECRACKER names.");
        _data = fixture.NewDirectory();
        _jailer = new JailerOptions { Program = jailer!, FirstUserId = FirstUserId, UserIds = UserIds, StateDirectory = fixture.NewDirectory() };
    }

    public async ValueTask DisposeAsync()
    {
        if (_data.Length == 0) return;
        await using var executor = NewExecutor();
        await executor.CleanupAsync();
    }

    [Fact]
    public async Task Each_machine_is_a_user_of_its_own_in_a_root_and_a_network_of_its_own()
    {
        await using var executor = NewExecutor();
        var (first, second) = (Request("echo ready; sleep 1000"), Request("echo ready; sleep 1000"));
        await Task.WhenAll(executor.StartAsync(first, Token), executor.StartAsync(second, Token));
        var (one, other) = (ProcessOf(first), ProcessOf(second));

        UserOf(one).Should().BeInRange(FirstUserId, FirstUserId + UserIds - 1);
        UserOf(other).Should().BeInRange(FirstUserId, FirstUserId + UserIds - 1).And.NotBe(UserOf(one));
        // The real jailer makes its directory the root of a mount namespace, and then the link says no more than "/".
        Directory.Exists($"/proc/{one}/root{_data}").Should().BeFalse();
        File.Exists($"/proc/{one}/root/run/{FirecrackerMachine.ApiName}").Should().BeTrue();
        NamespaceOf(one, "net").Should().NotBe(NamespaceOf(Environment.ProcessId, "net")).And.NotBe(NamespaceOf(other, "net"));
        NamespaceOf(one, "mnt").Should().NotBe(NamespaceOf(other, "mnt"));

        await executor.CancelAsync(first.ExecutionId, Token);
        await executor.CancelAsync(second.ExecutionId, Token);
        Directory.GetFiles(_jailer.StateDirectory).Should().BeEmpty();
        Directory.EnumerateFileSystemEntries(_data, "root", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Fact]
    public async Task A_job_in_a_jail_has_its_inputs_outputs_and_exit_code()
    {
        var (input, results) = (fixture.NewDirectory(), fixture.NewDirectory());
        await File.WriteAllTextAsync(Path.Combine(input, "given"), "given", Token);
        var request = Request("cat /in/given > /out/taken; echo out; echo err >&2; exit 7") with
        {
            Inputs = [new StorageVolume { Source = input, Target = "/in", ReadOnly = true }],
            Outputs = [new StorageVolume { Source = "out", Target = "/out" }],
            ResultsDir = results,
        };
        await using var executor = NewExecutor();
        var result = await executor.RunAsync(request, Token);
        (result.ExitCode, result.Stdout.Text, result.Stderr.Text).Should().Be((7, "out\n", "err\n"));
        (await File.ReadAllTextAsync(Path.Combine(results, "out", "taken"), Token)).Should().Be("given");
    }

    [Fact]
    public async Task A_machine_in_a_jail_begins_with_the_state_of_another()
    {
        var cache = fixture.NewDirectory();
        await using var executor = NewExecutor(fixture.Options with { Snapshots = true, CacheDirectory = cache });
        (await executor.RunAsync(Request("exit 3"), Token)).ExitCode.Should().Be(3);
        var state = Directory.GetDirectories(Path.Combine(cache, "snapshots", "firecracker")).Should().ContainSingle().Which;
        var written = File.GetLastWriteTimeUtc(Path.Combine(state, "memory"));
        (await executor.RunAsync(Request("exit 4"), Token)).ExitCode.Should().Be(4);
        File.GetLastWriteTimeUtc(Path.Combine(state, "memory")).Should().Be(written);
    }

    [Fact]
    public async Task A_machine_that_waited_in_a_jail_has_its_jobs_disks()
    {
        var input = fixture.NewDirectory();
        await File.WriteAllTextAsync(Path.Combine(input, "given"), "given", Token);
        using var warnings = new Warnings();
        await using var executor = NewExecutor(fixture.Options with { WarmMachines = new WarmMachineOptions { Always = true } }, warnings.Factory);
        var request = Request("cat /in/given") with { Inputs = [new StorageVolume { Source = input, Target = "/in", ReadOnly = true }] };
        (await executor.RunAsync(request, Token)).Stdout.Text.Should().Be("given");
        warnings.Texts.Should().BeEmpty();
        Directory.GetFiles(_jailer.StateDirectory).Should().BeEmpty();
    }

    [Fact]
    public async Task A_machine_in_a_jail_is_found_again_and_its_user_stays_its_own()
    {
        var request = Request("echo before; i=0; while [ $i -lt 20 ]; do sleep 0.1; i=$((i+1)); done; echo after; exit 5");
        await using (var first = NewExecutor())
        {
            await first.StartAsync(request, Token);
            await first.WaitForOutputAsync(request.ExecutionId, "before\n", Token);
        }

        Directory.GetFiles(_jailer.StateDirectory).Should().ContainSingle();
        await using var second = NewExecutor();
        await second.RecoverAsync(Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        (result.ExitCode, result.Stdout.Text).Should().Be((5, "before\nafter\n"));
        await second.RemoveAsync(request.ExecutionId, TimeSpan.FromSeconds(30), Token);

        // The process that took the number is gone; whoever needs one takes it from the dead.
        await Task.WhenAll(Enumerable.Range(0, UserIds).Select(_ => second.RunAsync(Request("true"), Token)));
        Directory.GetFiles(_jailer.StateDirectory).Should().HaveCountLessThanOrEqualTo(1);
    }

    [Fact]
    public async Task More_machines_than_there_are_users_are_refused_and_leave_nothing()
    {
        _jailer = _jailer with { UserIds = 1 };
        await using var executor = NewExecutor();
        var running = Request("echo ready; sleep 1000");
        await executor.StartAsync(running, Token);
        var refused = await Assert.ThrowsAsync<ExecutorException>(() => executor.StartAsync(Request("true"), Token));
        refused.Message.Should().Contain("users for jails are taken");
        await executor.CancelAsync(running.ExecutionId, Token);
        (await executor.RunAsync(Request("exit 3"), Token)).ExitCode.Should().Be(3);
    }

    [Fact]
    public async Task A_jailer_that_is_missing_is_told_by_the_fingerprint()
    {
        _jailer = _jailer with { Program = "/nowhere/jailer" };
        await using var executor = NewExecutor();
        var fingerprint = await executor.FingerprintAsync(Token);
        fingerprint.Available.Should().BeFalse();
        fingerprint.Problems.Should().ContainSingle(p => p.Problem.Contains("jailer") && p.Remedy.Contains("Jailer.Program"));
    }

    private Executor NewExecutor(FirecrackerOptions? options = null, ILoggerFactory? loggerFactory = null) => FirecrackerExecutor.Create(
        (options ?? fixture.Options) with { Jailer = _jailer },
        new ExecutorOptions { ExecutorId = _executorId, DataDirectory = _data, DisposeBehavior = DisposeBehavior.Detach },
        loggerFactory);

    private ExecutionRequest Request(string script) => new()
    {
        JobId = JobId.Parse("jail"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = new MicroVmSpec { Image = fixture.Image, Cmd = ["sh", "-c", script] }.ToSpecConfig(FirecrackerExecutor.Type),
        Timeouts = new Timeouts { StopGrace = TimeSpan.FromSeconds(1) },
    };

    private int ProcessOf(ExecutionRequest request)
    {
        var record = Directory.EnumerateFiles(Path.Combine(_data, _executorId, request.ExecutionId.Value), "process", SearchOption.AllDirectories).Single();
        return int.Parse(File.ReadAllText(record).Split(' ')[0], CultureInfo.InvariantCulture);
    }

    private static int UserOf(int processId) => int.Parse(
        File.ReadLines($"/proc/{processId}/status").First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1], CultureInfo.InvariantCulture);

    private static string NamespaceOf(int processId, string kind) => File.ResolveLinkTarget($"/proc/{processId}/ns/{kind}", returnFinalTarget: false)!.Name;
}
