using System.Net;
using System.Net.Sockets;

namespace Ergon.Process.Tests;

/// <summary>The protections, as a job sees them from the inside.</summary>
public sealed class SandboxTests : ProcessTests
{
    public SandboxTests() => SkipWithoutRoot();

    [Theory]
    [InlineData("/written")]
    [InlineData("/etc/written")]
    [InlineData("/usr/written")]
    [InlineData("/var/written")]
    [InlineData("/root/written")]
    [InlineData("/dev/written")]
    [InlineData("/sys/written")]
    [InlineData("/proc/sys/kernel/hostname")]
    [InlineData("/sys/fs/cgroup/memory/memory.limit_in_bytes")]
    public async Task The_hosts_file_system_cannot_be_written(string path)
    {
        var asRoot = Script($"echo x 2>&1 > {path}") with { EngineSpec = new ProcessSpec { Cmd = ["/bin/sh", "-c", $"echo x > {path}"], User = "0:0" }.ToSpecConfig() };
        (await RunAsync($"echo x > {path}")).ExitCode.Should().NotBe(0);
        await using var permissive = ProcessExecutor.Create(new ProcessOptions { AllowedUsers = ["*"] }, new ExecutorOptions { ExecutorId = ExecutorId, DataDirectory = NewDirectory() });
        (await permissive.RunAsync(asRoot, Token)).ExitCode.Should().NotBe(0, "not even root may");
    }

    [Fact]
    public async Task Temporary_directories_are_private_and_writable()
    {
        var name = $"private-{Guid.NewGuid():n}";
        await OutputAsync($"for d in /tmp /run /dev/shm; do echo x > $d/{name} || exit 1; done; [ \"$(ls /tmp)\" = {name} ]");
        foreach (var directory in (string[])["/tmp", "/run", "/dev/shm", "/var/tmp"]) File.Exists(Path.Combine(directory, name)).Should().BeFalse();
        (await OutputAsync("ls -A /tmp /run /dev/shm")).Should().NotContain(name, "every execution has its own");
    }

    [Fact]
    public async Task Home_directories_and_the_executors_data_are_empty()
    {
        (await OutputAsync("ls -A /root /home")).Should().Be("/home:\n\n/root:\n");
        await using var elsewhere = ProcessExecutor.Create(executorOptions: new ExecutorOptions { ExecutorId = ExecutorId, DataDirectory = "/var/lib/ergon-tests" });
        var result = await elsewhere.RunAsync(Script($"ls -A /var/lib/ergon-tests/{ExecutorId} && ls -d /var/lib/dpkg"), Token);
        result.Stdout.Text.Should().BeOneOf("", "/var/lib/dpkg\n");
        result.Stderr.Text.Should().NotContain("ergon-tests");
        await elsewhere.DisposeAsync();
        Directory.Delete("/var/lib/ergon-tests", recursive: true);
    }

    [Fact]
    public async Task Only_harmless_devices_are_there()
    {
        (await OutputAsync("ls /dev; [ -b /dev/sda -o -b /dev/vda ] && echo block; echo x > /dev/null && head -c 1 /dev/urandom > /dev/null"))
            .Should().Be("fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
        (await OutputAsync("find / -xdev -type b 2>/dev/null; find /dev -type b")).Should().BeEmpty();
    }

    [Fact]
    public async Task A_job_has_no_privileges_and_cannot_gain_any()
    {
        var status = await OutputAsync("cat /proc/self/status");
        foreach (var set in (string[])["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) status.Should().Contain($"{set}:\t0000000000000000");
        status.Should().Contain("NoNewPrivs:\t1").And.Contain("Uid:\t65534\t65534\t65534\t65534").And.Contain("Gid:\t65534\t65534\t65534\t65534").And.Contain("Groups:\t \n");
        (await OutputAsync("grep -E ' (/|/usr|/tmp) ' /proc/mounts")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().OnlyContain(line => line.Contains("nosuid"));
    }

    [Fact]
    public async Task A_job_sees_only_its_own_processes()
    {
        var pids = (await OutputAsync("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        pids.Should().HaveCountLessThanOrEqualTo(4).And.OnlyContain(line => line.StartsWith("sh ") || line.StartsWith("/bin/sh ") || line.StartsWith("tr ") || line == "cat ");
        (await RunAsync($"kill -0 {Environment.ProcessId}")).ExitCode.Should().NotBe(0);
    }

    [Fact]
    public async Task A_job_that_kills_everything_it_may_does_not_end_its_sandbox()
    {
        var result = await RunAsync("kill -9 -1; echo alive; for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || kill -9 ${p#/proc/}; done; echo still alive; exit 7");
        result.Stdout.Text.Should().Be("alive\nstill alive\n");
        (result.Reason, result.ExitCode).Should().Be((TerminationReason.Exited, 7));
    }

    [Fact]
    public async Task Without_a_network_there_is_only_loopback_and_it_is_not_the_hosts()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        (await OutputAsync("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; cat /sys/class/net/lo/operstate")).Should().Be("lo\nunknown\n");
        // bash alone can open a connection by itself everywhere.
        var connect = $"exec 3<>/dev/tcp/127.0.0.1/{port}";
        (await RunAsync(Request("/bin/bash", "-c", connect))).ExitCode.Should().NotBe(0);
        (await RunAsync(Request("/bin/bash", "-c", connect) with { Network = new NetworkSpec { Mode = NetworkMode.Host } })).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task On_the_hosts_network_names_are_resolved_as_on_the_host()
    {
        if (!File.Exists("/etc/resolv.conf")) Assert.Skip("This host has no list of name servers.");
        (await OutputAsync(Script("cat /etc/resolv.conf") with { Network = new NetworkSpec { Mode = NetworkMode.Host } }))
            .Should().Be(await File.ReadAllTextAsync("/etc/resolv.conf", Token));
    }

    [Fact]
    public async Task The_host_name_is_the_sandboxs_own()
    {
        var before = Environment.MachineName;
        (await OutputAsync(Request(new ProcessSpec { Cmd = ["uname", "-n"], Hostname = "my-box" }))).Should().Be("my-box\n");
        var request = Script("uname -n; echo $HOSTNAME");
        (await OutputAsync(request)).Should().Be($"{request.ExecutionId}\n{request.ExecutionId}\n");
        (await File.ReadAllTextAsync("/proc/sys/kernel/hostname", Token)).Trim().Should().Be(before);
    }

    [Fact]
    public async Task Nothing_of_our_environment_or_descriptors_reaches_a_job()
    {
        Environment.SetEnvironmentVariable("ERGON_TEST_SECRET", "secret");
        (await OutputAsync("env")).Should().NotContain("secret");
        (await OutputAsync("ls /proc/self/fd")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().BeEquivalentTo("0", "1", "2", "3");
    }

    [Fact]
    public async Task Orphans_are_collected()
    {
        // Fifty daemons that end at once: had nobody collected them, they would still be listed.
        var output = await OutputAsync("i=0; while [ $i -lt 50 ]; do (true &) ; i=$((i+1)); done; sleep 0.3; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l");
        output.Trim().Should().Be("0");
    }

    [Fact]
    public async Task A_disk_limit_holds_for_all_private_directories_together()
    {
        var request = Script("head -c 3000000 /dev/zero > /tmp/a && head -c 3000000 /dev/zero > /run/b") with { Resources = new Resources { Disk = 4 << 20 } };
        var result = await RunAsync(request);
        result.ExitCode.Should().NotBe(0);
        result.Stderr.Text.Should().Contain("No space left");
        (await RunAsync(request with { ExecutionId = ExecutionId.New(), Resources = new Resources { Disk = 8 << 20 } })).ExitCode.Should().Be(0);
    }
}
