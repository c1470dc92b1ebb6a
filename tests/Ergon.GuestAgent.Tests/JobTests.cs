using System.Globalization;
using Ergon.GuestAgent.Tests.Guests;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests;

public sealed class JobTests
{
    internal static async Task<(ExitedMessage Exit, string Stdout, string Stderr)> RunAsync(GuestConfiguration configuration, params IReadOnlyList<TestDisk> disks)
    {
        var (guest, client) = await TestGuest.RunAsync(configuration, disks);
        await using var _ = guest;
        return (await client.EndAsync(), client.Job.Text(1), client.Job.Text(2));
    }

    [Fact]
    public async Task A_guest_greets_its_host_and_says_how_far_it_has_come()
    {
        await using var guest = await TestGuest.BootAsync();
        var client = await guest.ConnectAsync();
        var welcome = await client.Welcome;
        welcome.State.Should().Be(GuestState.Booted);
        welcome.Version.Should().Be(GuestProtocol.Version);
        welcome.Kernel.Should().NotBeEmpty();
        welcome.Uptime.Should().BePositive();
        TestContext.Current.SendDiagnosticMessage($"greeted after {welcome.Uptime / 1_000_000} ms of uptime");
    }

    [Fact]
    public async Task A_job_writes_both_streams_and_ends_with_its_code()
    {
        var (exit, stdout, stderr) = await RunAsync(TestGuest.Shell("echo out; echo err >&2; exit 7"));
        exit.Should().Be(new ExitedMessage(0, 7, null, false, ""));
        stdout.Should().Be("out\n");
        stderr.Should().Be("err\n");
    }

    [Fact]
    public async Task A_command_that_does_not_exist_ends_with_127_and_says_where_it_was_looked_for()
    {
        var (exit, _, _) = await RunAsync(TestGuest.Job("no-such-command") with { Environment = ["PATH=/bin:/opt"] });
        exit.Should().Be(new ExitedMessage(0, 127, null, false, "The command 'no-such-command' was not found in /bin:/opt."));
    }

    [Fact]
    public async Task A_command_that_cannot_be_executed_ends_with_126()
    {
        var (exit, _, _) = await RunAsync(TestGuest.Job("/etc/passwd"));
        exit.ExitCode.Should().Be(126);
        exit.Message.Should().StartWith("The command '/etc/passwd' cannot be executed: ");
    }

    [Fact]
    public async Task A_working_directory_that_the_user_may_not_enter_is_the_requests_fault()
    {
        await using var guest = await TestGuest.BootAsync();
        var client = await guest.ConnectAsync();
        var configuration = TestGuest.Job("true") with { WorkingDirectory = "/etc/passwd", User = "user" };
        var configured = await client.ConfigureAsync(configuration);
        var reply = configured.Code == ReplyCode.Done ? await client.StartAsync() : configured;
        reply.Code.Should().Be(ReplyCode.Invalid);
        reply.Message.Should().Contain("working_directory").And.Contain("/etc/passwd");
    }

    [Fact]
    public async Task A_user_that_the_image_does_not_have_is_the_requests_fault()
    {
        await using var guest = await TestGuest.BootAsync();
        var client = await guest.ConnectAsync();
        var reply = await client.ConfigureAsync(TestGuest.Job("true") with { User = "nobody-here" });
        reply.Code.Should().Be(ReplyCode.Invalid);
        reply.Message.Should().Contain("nobody-here");
    }

    [Fact]
    public async Task A_signal_that_ends_a_job_is_told_apart_from_an_exit()
    {
        var (exit, _, _) = await RunAsync(TestGuest.Shell("kill -USR1 $$; sleep 100"));
        exit.Should().Be(new ExitedMessage(0, null, 10, false, ""));
    }

    [Fact]
    public async Task A_signal_from_the_host_reaches_the_main_process()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.1; done"));
        await using var _ = guest;
        await Eventually(() => client.Job.Text(1) == "ready\n");
        (await client.SignalAsync(15)).Code.Should().Be(ReplyCode.Done);
        (await client.EndAsync()).ExitCode.Should().Be(3);
        client.Job.Text(1).Should().Be("ready\ncaught\n");
    }

    [Fact]
    public async Task Killing_a_job_ends_every_process_of_it()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("(trap '' TERM; sleep 1000) & setsid sleep 1000 & echo ready; wait"));
        await using var _ = guest;
        await Eventually(() => client.Job.Text(1) == "ready\n");
        await client.KillAsync();
        (await client.EndAsync()).Should().Be(new ExitedMessage(0, null, 9, false, ""));
    }

    [Fact]
    public async Task What_a_job_leaves_behind_ends_with_its_main_process()
    {
        var (exit, stdout, _) = await RunAsync(TestGuest.Shell("(sleep 1000; echo late) & echo first"));
        exit.ExitCode.Should().Be(0);
        stdout.Should().Be("first\n");
    }

    [Fact]
    public async Task A_job_above_its_memory_limit_is_killed_and_the_evidence_says_why()
    {
        var (exit, _, _) = await RunAsync(TestGuest.Shell("exec tail /dev/zero") with { Memory = 32 * 1024 * 1024 });
        exit.Should().Be(new ExitedMessage(0, null, 9, true, ""));
    }

    [Fact]
    public async Task A_job_that_takes_all_memory_of_the_guest_is_killed_and_the_agent_lives()
    {
        var (exit, _, _) = await RunAsync(TestGuest.Shell("exec tail /dev/zero"));
        exit.Should().Be(new ExitedMessage(0, null, 9, true, ""));
    }

    [Fact]
    public async Task A_job_above_its_limit_of_processes_cannot_fork()
    {
        var (_, stdout, stderr) = await RunAsync(TestGuest.Shell("i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; echo done") with { Pids = 20 });
        (stdout + stderr).Should().Contain("fork");
    }

    [Fact]
    public async Task A_job_has_its_user_directory_environment_and_host_name()
    {
        var (exit, stdout, _) = await RunAsync(TestGuest.Shell("id -u; id -g; id -G; pwd; echo $A $HOME $HOSTNAME; hostname; cat /etc/hostname; umask") with
        {
            User = "user", WorkingDirectory = "/work/deep", Environment = ["A=b=c"], Hostname = "machine-1",
        });
        exit.ExitCode.Should().Be(0);
        stdout.Should().Be("1000\n1000\n1000 2000\n/work/deep\nb=c /home/user machine-1\nmachine-1\nmachine-1\n0022\n");
    }

    [Fact]
    public async Task A_numeric_user_and_group_need_not_be_in_the_image()
    {
        var (_, stdout, _) = await RunAsync(TestGuest.Shell("id -u; id -g") with { User = "4000:4001" });
        stdout.Should().Be("4000\n4001\n");
    }

    [Fact]
    public async Task A_job_sees_no_process_but_its_own_and_cannot_harm_the_agent()
    {
        var (exit, stdout, _) = await RunAsync(TestGuest.Shell("ls -d /proc/[0-9]* | wc -l; kill -9 1; kill -9 -1; grep -c . /proc/1/maps; echo alive"));
        exit.ExitCode.Should().Be(0);
        var lines = stdout.Split('\n');
        int.Parse(lines[0], CultureInfo.InvariantCulture).Should().BeLessThanOrEqualTo(4);
        lines.Should().Contain("alive");
    }

    [Fact]
    public async Task A_job_has_no_capability_and_can_win_none()
    {
        var (_, stdout, _) = await RunAsync(TestGuest.Shell("grep -E 'Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs' /proc/self/status; cat /proc/self/oom_score_adj; mount -t tmpfs none /tmp 2>/dev/null || echo refused"));
        stdout.Should().Be("CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n0\nrefused\n");
    }

    [Theory]
    [InlineData("")]
    [InlineData("user")]
    public async Task A_job_keeps_the_capabilities_that_it_is_given(string user)
    {
        var (_, stdout, _) = await RunAsync(TestGuest.Shell("grep -E 'Cap(Eff|Bnd)' /proc/self/status") with { User = user, Capabilities = ["NET_ADMIN", "CAP_CHOWN"] });
        stdout.Should().Be("CapEff:\t0000000000001001\nCapBnd:\t0000000000001001\n");
    }

    [Fact]
    public async Task Only_the_standard_streams_are_open_and_no_signal_is_ignored()
    {
        var (_, descriptors, _) = await RunAsync(TestGuest.Job("ls", "/proc/self/fd"));
        descriptors.Should().Be("0\n1\n2\n3\n"); // the last is the directory that it lists
        var (_, signals, _) = await RunAsync(TestGuest.Job("grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"));
        signals.Should().Be("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    }

    [Fact]
    public async Task The_guests_clock_is_the_hosts()
    {
        var (_, stdout, _) = await RunAsync(TestGuest.Shell("date +%s"));
        var difference = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - long.Parse(stdout, CultureInfo.InvariantCulture);
        Math.Abs(difference).Should().BeLessThan(20);
    }

    [Fact]
    public async Task Random_numbers_differ_between_guests()
    {
        var first = await RunAsync(TestGuest.Shell("head -c 16 /dev/urandom | od -An -tx1"));
        var second = await RunAsync(TestGuest.Shell("head -c 16 /dev/urandom | od -An -tx1"));
        first.Stdout.Should().HaveLength(49).And.NotBe(second.Stdout);
    }

    [Fact]
    public async Task Stats_say_what_the_job_uses()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/file bs=1M count=4 conv=fsync 2>/dev/null; echo ready; sleep 1000; true"));
        await using var _ = guest;
        await Eventually(() => client.Job.Text(1) == "ready\n");
        var stats = await client.StatsAsync();
        stats.CpuNanoseconds.Should().BePositive();
        stats.MemoryBytes.Should().BePositive();
        stats.Pids.Should().Be(2);
        stats.NetworkSentBytes.Should().Be(0);
    }

    [Fact]
    public async Task Shutting_down_ends_the_virtual_machine()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("exit 0"));
        await using var _ = guest;
        await client.EndAsync();
        await client.SendAsync(FrameType.Shutdown, ReadOnlyMemory<byte>.Empty);
        await guest.WaitForEndAsync();
    }

    internal static async Task Eventually(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!condition()) await Task.Delay(20, deadline.Token);
    }
}
