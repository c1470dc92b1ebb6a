using System.Globalization;
using Ergon.GuestAgent.Tests.Guests;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests;

public sealed class JobTests
{
    private static async Task<(ExitedMessage Exit, string Stdout, string Stderr)> RunAsync(GuestConfiguration configuration, params IReadOnlyList<TestDisk> disks)
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
    public async Task A_job_can_write_everywhere_in_its_own_copy_of_the_image()
    {
        var (exit, stdout, _) = await RunAsync(TestGuest.Shell("echo a > /file; mkdir /etc/new; rm /bin/vi; cat /file; ls -d /etc/new; ls /bin/vi 2>/dev/null; df -T / | tail -1 | awk '{print $2}'"));
        stdout.Should().Be("a\n/etc/new\noverlay\n");
        exit.ExitCode.Should().Be(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_read_only_root_can_be_written_only_in_outputs_and_tmp(bool scratch)
    {
        var configuration = TestGuest.Shell("echo a > /file || echo refused; echo b > /tmp/file && cat /tmp/file; echo c > /out/file && cat /out/file; echo d > /dev/shm/d && cat /dev/shm/d; > /dev/x || echo refused") with
        {
            ReadOnlyRoot = true, Outputs = ["/out"], Scratch = scratch ? new GuestDisk("scratch", 0) : null, User = "user",
        };
        var (_, stdout, _) = await RunAsync(configuration);
        stdout.Should().Be("refused\nb\nc\nd\nrefused\n");
    }

    [Fact]
    public async Task A_job_without_a_scratch_disk_writes_into_memory()
    {
        var (exit, stdout, _) = await RunAsync(TestGuest.Shell("dd if=/dev/zero of=/file bs=1M count=8 2>/dev/null; wc -c < /file") with { Scratch = null });
        (exit.ExitCode, stdout).Should().Be((0, "8388608\n"));
    }

    [Fact]
    public async Task The_scratch_disk_is_the_limit_of_what_a_job_can_write()
    {
        var (exit, _, stderr) = await RunAsync(TestGuest.Shell("dd if=/dev/zero of=/file bs=1M count=400"));
        exit.ExitCode.Should().Be(1);
        stderr.Should().Contain("No space left");
    }

    [Fact]
    public async Task The_guests_clock_is_the_hosts()
    {
        var (_, stdout, _) = await RunAsync(TestGuest.Shell("date +%s"));
        var difference = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - long.Parse(stdout, CultureInfo.InvariantCulture);
        Math.Abs(difference).Should().BeLessThan(20);
    }

    [Fact]
    public async Task Names_are_resolved_as_the_host_says()
    {
        var (_, stdout, _) = await RunAsync(TestGuest.Shell("cat /etc/resolv.conf; grep -E 'db|machine' /etc/hosts; ip addr show lo | grep -c UP") with
        {
            NameServers = ["10.0.0.1", "10.0.0.2"], Hosts = ["10.1.2.3 db"], Hostname = "machine",
        });
        stdout.Should().Be("nameserver 10.0.0.1\nnameserver 10.0.0.2\n127.0.0.1 machine\n10.1.2.3 db\n1\n");
    }

    [Fact]
    public async Task Inputs_are_mounted_read_only_as_directories_and_as_files()
    {
        Assert.SkipWhen(TestKernel.Problem is not null, TestKernel.Problem ?? "");
        var directory = Directory.CreateDirectory(Path.Combine(TestKernel.WorkDirectory, $"input-{Guid.NewGuid():n}")).FullName;
        await File.WriteAllTextAsync(Path.Combine(directory, "file"), "content\n", TestContext.Current.CancellationToken);
        var image = await TestImages.MakeImageAsync(directory, directory + ".sqfs");
        var (_, stdout, _) = await RunAsync(
            TestGuest.Shell("cat /data/in/file /etc/one; echo x > /data/in/file || echo refused; echo x > /etc/one || echo refused") with
            {
                Inputs = [new GuestInput(new GuestDisk("in0", 0), "", "/data/in"), new GuestInput(new GuestDisk("in1", 0), "file", "/etc/one")],
            },
            new TestDisk("in0", image, ReadOnly: true), new TestDisk("in1", image, ReadOnly: true));
        stdout.Should().Be("content\ncontent\nrefused\nrefused\n");
    }

    [Fact]
    public async Task Scripts_run_in_order_before_the_command()
    {
        var (exit, stdout, _) = await RunAsync(TestGuest.Shell("cat /made; echo command") with
        {
            Scripts = [new("one", "echo first > /made"u8.ToArray()), new("two.sh", "#!/bin/sh\necho second >> /made; echo $0"u8.ToArray())],
        });
        (exit.ExitCode, stdout).Should().Be((0, "/run/ergon/provision/two.sh\nfirst\nsecond\ncommand\n"));
    }

    [Fact]
    public async Task A_script_that_fails_ends_the_job_and_says_which_and_what_it_wrote_last()
    {
        var (exit, _, _) = await RunAsync(TestGuest.Shell("echo never") with
        {
            Scripts = [new("setup", "echo trouble >&2; exit 4"u8.ToArray()), new("second", "echo never"u8.ToArray())],
        });
        exit.Should().Be(new ExitedMessage(0, 4, null, false, "The provision script 'setup' failed with exit code 4. Its output ended with:\ntrouble"));
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
