using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux.Tests;

/// <summary>Launch scripts and the children that they start.</summary>
public sealed class LaunchTests : IDisposable
{
    private readonly KernelEvents _events = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _events.Dispose();

    [Theory]
    [InlineData("exit 0", 0, null)]
    [InlineData("exit 42", 42, null)]
    [InlineData("kill -9 $$", null, 9)]
    [InlineData("kill -USR1 $$", null, 10)]
    public async Task The_end_of_a_child_is_known_exactly(string script, int? code, int? signal)
    {
        var child = await StartAsync("/bin/sh", "-c", script);
        (await child.Exit.WaitAsync(Token)).Should().Be(new ChildExit(code, signal));
        child.Dispose();
    }

    [Fact]
    public async Task A_child_gets_signals_by_its_pidfd()
    {
        var child = await StartAsync("/bin/sleep", "1000");
        child.Signal(15);
        (await child.Exit.WaitAsync(Token)).Signal.Should().Be(15);
        child.Signal(9);
        child.Dispose();
        child.Signal(9);
    }

    [Fact]
    public async Task A_child_has_every_signal_at_its_default_and_none_blocked()
    {
        // The runtime ignores SIGPIPE; a child that inherited that would not end when its reader does.
        var output = await OutputOfAsync("/bin/grep", "-E", "Sig(Blk|Ign)", "/proc/self/status");
        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().HaveCount(2).And.OnlyContain(line => line.EndsWith("0000000000000000"));
    }

    [Fact]
    public async Task A_child_inherits_no_descriptor_but_its_streams()
    {
        // A descriptor that some library opened without close-on-exec.
        using var leaky = new SafeFileHandle(Open("/dev/null"), ownsHandle: true);
        var output = await OutputOfAsync("/bin/ls", "/proc/self/fd");
        output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().BeEquivalentTo("0", "1", "2", "3"); // 3 is the listed directory
    }

    [Fact]
    public async Task The_first_candidate_that_can_be_executed_is_started()
    {
        using var script = new LaunchScript();
        var slot = script.NewSlot();
        script.Spawn(Request(["/nowhere/true", "/etc/passwd/true", "/etc/passwd", "/bin/true"], ["true"]), slot);
        var outcome = await script.RunAsync(_events);
        outcome.Succeeded.Should().BeTrue();
        using var child = ChildProcess.Adopt((int)script.Result(slot), _events);
        (await child.Exit.WaitAsync(Token)).ExitCode.Should().Be(0);
    }

    [Theory]
    [InlineData("/nowhere/at/all", Errno.NoEntry)]
    [InlineData("/etc/passwd", Errno.AccessDenied)]
    [InlineData("/etc", Errno.AccessDenied)]
    public async Task A_program_that_cannot_be_started_fails_with_the_kernels_reason(string path, int errno)
    {
        using var script = new LaunchScript();
        var step = script.Spawn(Request([path], [path]), script.NewSlot());
        var outcome = await script.RunAsync(_events);
        (outcome.FailedStep, outcome.Errno).Should().Be((step, errno));
        outcome.ToException().Message.Should().Contain(path);
    }

    [Fact]
    public async Task A_script_stops_at_the_first_step_that_fails_but_its_last_steps_run()
    {
        var directory = Directory.CreateTempSubdirectory("launch-test-").FullName;
        try
        {
            using var script = new LaunchScript();
            script.MakeDirectory(directory + "/first", 0x1ff);
            script.MakeDirectory(directory + "/missing/second", 0x1ff);
            script.MakeDirectory(directory + "/third", 0x1ff);
            script.Finally();
            script.MakeDirectory(directory + "/missing/fourth", 0x1ff);
            script.MakeDirectory(directory + "/fifth", 0x1ff);
            var outcome = await script.RunAsync(_events);
            (outcome.FailedStep, outcome.Errno).Should().Be((1, Errno.NoEntry));
            Directory.GetDirectories(directory).Select(Path.GetFileName).Should().BeEquivalentTo("first", "fifth");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task What_a_script_changes_of_its_thread_stays_with_that_thread()
    {
        var before = (Directory.GetCurrentDirectory(), CgroupText.Read("/proc/self/status")!.Split('\n').First(l => l.StartsWith("Umask")));
        using var script = new LaunchScript();
        script.Unshare(Namespaces.FileSystemContext);
        script.ChangeDirectory("/usr");
        script.SetFileModeMask(0x3f);
        script.ForbidNewPrivileges();
        (await script.RunAsync(_events)).Succeeded.Should().BeTrue();
        (Directory.GetCurrentDirectory(), CgroupText.Read("/proc/self/status")!.Split('\n').First(l => l.StartsWith("Umask"))).Should().Be(before);
        CgroupText.Read("/proc/self/status").Should().Contain("NoNewPrivs:\t0");
    }

    [Fact]
    public async Task A_gate_holds_a_child_until_it_has_been_placed()
    {
        Assert.SkipUnless(SpawnGate.IsSupported, "This kernel does not list the children of a thread.");
        var directory = Directory.CreateTempSubdirectory("gate-test-").FullName;
        try
        {
            using (var gate = SpawnGate.Create(directory))
            using (var script = new LaunchScript())
            {
                var slot = script.NewSlot();
                script.Spawn(Request(["/bin/sh"], ["sh", "-c", "[ \"$(ulimit -v)\" = 1048576 ]"]) with { Gate = gate }, slot);
                var placed = 0;
                var outcome = await gate.RunAsync(script, _events, async id =>
                {
                    placed = id;
                    using var limits = new LaunchScript();
                    limits.Limit(id, new ProcessLimits(1L << 30, null));
                    (await limits.RunAsync(_events)).Succeeded.Should().BeTrue();
                    (await File.ReadAllTextAsync($"/proc/{id}/cmdline", Token)).Should().NotStartWith("sh", "it has not been executed yet");
                });
                outcome.Succeeded.Should().BeTrue();
                placed.Should().Be((int)script.Result(slot));
                using var child = ChildProcess.Adopt(placed, _events);
                (await child.Exit.WaitAsync(Token)).ExitCode.Should().Be(0);
            }

            Directory.GetFileSystemEntries(directory).Should().BeEmpty();
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task A_gate_does_not_wait_for_a_child_that_was_never_born()
    {
        Assert.SkipUnless(SpawnGate.IsSupported, "This kernel does not list the children of a thread.");
        using var gate = SpawnGate.Create(Path.GetTempPath());
        using var script = new LaunchScript();
        script.ChangeDirectory("/nowhere");
        script.Spawn(Request(["/bin/true"], ["true"]) with { Gate = gate }, script.NewSlot());
        (await gate.RunAsync(script, _events, _ => throw new InvalidOperationException()).WaitAsync(Token)).FailedStep.Should().Be(0);
    }

    [Fact]
    public async Task A_failed_placement_is_reported_and_the_child_does_not_stay_at_the_gate()
    {
        Assert.SkipUnless(SpawnGate.IsSupported, "This kernel does not list the children of a thread.");
        using var gate = SpawnGate.Create(Path.GetTempPath());
        using var script = new LaunchScript();
        var slot = script.NewSlot();
        script.Spawn(Request(["/bin/sleep"], ["sleep", "1000"]) with { Gate = gate }, slot);
        await Assert.ThrowsAsync<IOException>(() => gate.RunAsync(script, _events, _ => throw new IOException("no")));
        using var child = ChildProcess.Adopt((int)script.Result(slot), _events);
        (await child.Exit.WaitAsync(Token)).Signal.Should().Be(9);
    }

    [Fact]
    public async Task A_terminal_carries_both_directions_and_its_size()
    {
        using var terminal = PseudoTerminal.Open("/dev/ptmx");
        terminal.Resize(91, 33);
        await using var input = terminal.OpenStream(_events, input: true);
        await using var output = terminal.OpenStream(_events, input: false);
        using var script = new LaunchScript();
        var slot = script.NewSlot();
        var request = Request(["/bin/sh"], ["sh", "-c", "stty size; read -r line; echo \"<$line>\"; test -t 0 && tty"]);
        script.Spawn(request with { Terminal = $"/dev/pts/{terminal.Number}" }, slot);
        (await script.RunAsync(_events)).Succeeded.Should().BeTrue();
        using var child = ChildProcess.Adopt((int)script.Result(slot), _events);
        await input.WriteAsync("hello\n"u8.ToArray(), Token);
        using var reader = new StreamReader(output, Encoding.UTF8);
        var text = await reader.ReadToEndAsync(Token);
        (await child.Exit.WaitAsync(Token)).ExitCode.Should().Be(0);
        text.Should().Contain("33 91").And.Contain("<hello>").And.Contain($"/dev/pts/{terminal.Number}");
    }

    private static SpawnRequest Request(IReadOnlyList<string> candidates, IReadOnlyList<string> arguments) => new()
    {
        Name = candidates[0], Candidates = candidates, Arguments = arguments, Environment = ["PATH=/usr/bin:/bin"],
    };

    private async Task<ChildProcess> StartAsync(string program, params string[] arguments) =>
        await StartAsync(Request([program], [program, .. arguments]));

    private async Task<ChildProcess> StartAsync(SpawnRequest request)
    {
        using var script = new LaunchScript();
        var slot = script.NewSlot();
        script.IsolateDescriptors();
        script.Spawn(request, slot);
        var outcome = await script.RunAsync(_events);
        return outcome.Succeeded ? ChildProcess.Adopt((int)script.Result(slot), _events) : throw outcome.ToException();
    }

    private async Task<string> OutputOfAsync(string program, params string[] arguments)
    {
        using var nullDevice = Descriptors.Open("/dev/null", Libc.ReadOnly);
        var (read, write) = Descriptors.Pipe();
        using var child = await StartAsync(Request([program], [program, .. arguments]) with
        {
            Streams = [Descriptors.Number(nullDevice), Descriptors.Number(write), Descriptors.Number(write)],
        });
        write.Dispose();
        await child.Exit.WaitAsync(Token);
        using var reader = new StreamReader(new FileStream(read, FileAccess.Read));
        return await reader.ReadToEndAsync(Token);
    }

    private static int Open(string path) => Libc.Open(path, Libc.ReadOnly);
}
