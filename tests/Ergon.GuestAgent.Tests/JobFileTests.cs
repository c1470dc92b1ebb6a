using Ergon.GuestAgent.Tests.Guests;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests;

public sealed class JobFileTests
{
    [Fact]
    public async Task A_job_can_write_everywhere_in_its_own_copy_of_the_image()
    {
        var (exit, stdout, _) = await JobTests.RunAsync(TestGuest.Shell("echo a > /file; mkdir /etc/new; rm /bin/vi; cat /file; ls -d /etc/new; ls /bin/vi 2>/dev/null; df -T / | tail -1 | awk '{print $2}'"));
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
        var (_, stdout, _) = await JobTests.RunAsync(configuration);
        stdout.Should().Be("refused\nb\nc\nd\nrefused\n");
    }

    [Fact]
    public async Task A_job_without_a_scratch_disk_writes_into_memory()
    {
        var (exit, stdout, _) = await JobTests.RunAsync(TestGuest.Shell("dd if=/dev/zero of=/file bs=1M count=8 2>/dev/null; wc -c < /file") with { Scratch = null });
        (exit.ExitCode, stdout).Should().Be((0, "8388608\n"));
    }

    [Fact]
    public async Task The_scratch_disk_is_the_limit_of_what_a_job_can_write()
    {
        var (exit, _, stderr) = await JobTests.RunAsync(TestGuest.Shell("dd if=/dev/zero of=/file bs=1M count=400"));
        exit.ExitCode.Should().Be(1);
        stderr.Should().Contain("No space left");
    }

    [Fact]
    public async Task Names_are_resolved_as_the_host_says()
    {
        var (_, stdout, _) = await JobTests.RunAsync(TestGuest.Shell("cat /etc/resolv.conf; grep -E 'db|machine' /etc/hosts; ip addr show lo | grep -c UP") with
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
        var (_, stdout, _) = await JobTests.RunAsync(
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
        var (exit, stdout, _) = await JobTests.RunAsync(TestGuest.Shell("cat /made; echo command") with
        {
            Scripts = [new("one", "echo first > /made"u8.ToArray()), new("two.sh", "#!/bin/sh\necho second >> /made; echo $0"u8.ToArray())],
        });
        (exit.ExitCode, stdout).Should().Be((0, "/run/ergon/provision/two.sh\nfirst\nsecond\ncommand\n"));
    }

    [Fact]
    public async Task A_script_that_fails_ends_the_job_and_says_which_and_what_it_wrote_last()
    {
        var (exit, _, _) = await JobTests.RunAsync(TestGuest.Shell("echo never") with
        {
            Scripts = [new("setup", "echo trouble >&2; exit 4"u8.ToArray()), new("second", "echo never"u8.ToArray())],
        });
        exit.Should().Be(new ExitedMessage(0, 4, null, false, "The provision script 'setup' failed with exit code 4. Its output ended with:\ntrouble"));
    }
}
