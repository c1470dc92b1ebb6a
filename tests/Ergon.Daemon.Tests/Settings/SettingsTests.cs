using System.Runtime.Versioning;
using Ergon.Docker;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Qemu;

namespace Ergon.Daemon.Tests.Settings;

/// <summary>Where settings come from, and what is said of those that are wrong.</summary>
public sealed class SettingsTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("settings-tests-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Variables_win_over_the_file_and_what_is_set_by_hand_over_both()
    {
        var options = Read(
            """{ "max_concurrent_executions": 1, "persist_logs": "1h", "admission": { "max_queued": 1, "max_executions": 5 } /* and a comment */ }""",
            new() { ["ERGON_DAEMON_MAX_CONCURRENT_EXECUTIONS"] = "2", ["ERGON_DAEMON_ADMISSION__MAX_QUEUED"] = "2", ["ERGON_OTHER"] = "?" },
            "max_concurrent_executions=3");

        options.MaxConcurrentExecutions.Should().Be(3);
        options.Admission!.MaxQueued.Should().Be(2);
        options.Admission.MaxExecutions.Should().Be(5);
        options.DefaultPersistLogs.Should().Be(TimeSpan.FromHours(1));
        options.SocketPath.Should().Be("/run/default.sock");
    }

    [Fact]
    public void Text_is_read_as_the_setting_is_meant()
    {
        var options = Read(
            "{}", [], "executors=docker, process", "persist_logs=30m", "retention.max_bytes=2g", "output.result_bytes=16k", "policy.networks=none,bridge", "database.set_aside_damaged=true",
            "docker.host=unix:///run/docker.sock", "docker.warm_containers={}", "executor_ids.docker=node.1", "network.client_scopes.node.example=[\"read\"]", "network=null");

        options.Executors.Should().Equal("docker", "process");
        options.DefaultPersistLogs.Should().Be(TimeSpan.FromMinutes(30));
        options.MaxRetainedBytes.Should().Be(2L << 30);
        options.MaxLogLimits.Should().Be(new LogLimits { MaxBytesPerStream = long.MaxValue, ResultBytes = 16 << 10 });
        options.Policy.Networks.Should().Equal(NetworkMode.None, NetworkMode.Bridge);
        options.Database.SetAsideDamaged.Should().BeTrue();
        options.Docker.Endpoint.Should().Be(new Uri("unix:///run/docker.sock"));
        options.Docker.WarmContainers.Should().Be(new WarmContainerOptions());
        options.ExecutorIds.Should().Contain("docker", "node.1");
        options.Network.Should().BeNull();
    }

    [Fact]
    [SupportedOSPlatform("linux")]
    public void How_guests_are_made_is_said_for_each_vmm()
    {
        var options = Read(
            """{ "qemu": { "default_memory": "256m", "snapshots": false }, "firecracker": { "jailer": { "user_ids": 10 }, "balloon": true } }""", [],
            "qemu.warm_machines={}", "qemu.kernel_image=/srv/vmlinux", "firecracker.boot_timeout=5s", "firecracker.warm_machines.max_idle=3", "firecracker.disk_bytes_per_second=1g");

        options.Qemu!.ApplyTo(new QemuOptions()).Should().BeEquivalentTo(
            new QemuOptions { DefaultMemory = 256 << 20, Snapshots = false, WarmMachines = new WarmMachineOptions(), KernelImage = "/srv/vmlinux" });
        options.Firecracker!.ApplyTo(new FirecrackerOptions()).Should().BeEquivalentTo(
            new FirecrackerOptions { Jailer = new JailerOptions { UserIds = 10 }, Balloon = true, BootTimeout = TimeSpan.FromSeconds(5), DiskBytesPerSecond = 1L << 30, WarmMachines = new WarmMachineOptions { MaxIdle = 3 } });
    }

    [Fact]
    public void Sizes_of_guests_that_cannot_be_are_told() =>
        ProblemsOf("""{ "qemu": { "default_cpus": 0, "default_memory": -1, "warm_machines": { "max_idle": 0 } }, "firecracker": { "max_snapshots": 0, "jailer": { "user_ids": 0 } } }""", [])
            .Select(p => p.Field).Should().BeEquivalentTo(
                "qemu.default_cpus", "qemu.default_memory", "qemu.warm_machines.max_idle", "firecracker.max_snapshots", "firecracker.jailer.user_ids");

    [Fact]
    public void Everything_that_is_wrong_is_told_at_once()
    {
        var problems = ProblemsOf(
            """
            { "persist_logs": "soon", "max_concurrent_executions": 0, "surplus": 1, "executors": ["docker", "prozess"],
              "admission": { "total": { "memory": "lots" }, "max_queue": 1 }, "policy": { "volume_roots": ["here"] },
              "network": { "address": "http://localhost:1", "certificate": "/nowhere.pem", "tokens": [{ "name": "ci", "sha256": "12" }] } }
            """,
            new() { ["ERGON_DAEMON_OUTPUT__RESULT_BYTES"] = "1g", ["ERGON_DAEMON_NOTHING"] = "1" },
            "retention.max_results=-1", "on_shutdown=explode", "nonsense");

        problems.Select(p => p.Field).Should().BeEquivalentTo(
            "persist_logs", "max_concurrent_executions", "surplus", "executors[1]", "admission.total.memory", "admission.max_queue", "policy.volume_roots[0]",
            "network.tokens[0].scopes", "output.result_bytes", "ERGON_DAEMON_NOTHING", "retention.max_results", "on_shutdown", "--set");
        problems.Single(p => p.Field == "executors[1]").Message.Should().Contain("did you mean 'process'?");
        problems.Single(p => p.Field == "admission.max_queue").Message.Should().Contain("did you mean 'max_queued'?");
    }

    [Fact]
    public void What_the_settings_name_is_looked_at_too() =>
        ProblemsOf("""{ "network": { "address": "http://localhost:1", "certificate": "/nowhere.pem", "tokens": [{ "name": "ci", "sha256": "12", "scopes": ["all"] }] } }""", [])
            .Select(p => p.Field).Should().BeEquivalentTo("network.address", "network.certificate", "network.tokens[0].sha256");

    [Fact]
    public void A_file_that_is_not_json_is_told_with_the_line()
    {
        var problem = ProblemsOf("{ \"data\": \"/x\",\n  \"data\": \"/y\" }", []).Should().ContainSingle().Subject;
        problem.Field.Should().EndWith("daemon.json");
        problem.Message.Should().Contain("data");
    }

    [Fact]
    public void What_is_written_is_read_as_it_was()
    {
        var options = Read("""{ "admission": { "total": { "cpu": 1.5 } }, "docker": { "warm_containers": { "max_idle": 3 } }, "output": { "result_bytes": 10 }, "policy": { "images": ["a/*"] } }""", []);
        var written = System.Text.Encoding.UTF8.GetString(DaemonFile.Of(options).Serialize());
        System.Text.Encoding.UTF8.GetString(DaemonFile.Of(Read(written, [])).Serialize()).Should().Be(written);
    }

    private IReadOnlyList<RequestProblem> ProblemsOf(string file, Dictionary<string, string> variables, params string[] set) =>
        Assert.Throws<ExecutorException>(() => Read(file, variables, set)).Problems;

    private DaemonOptions Read(string file, Dictionary<string, string> variables, params string[] set)
    {
        var path = Path.Combine(_directory, "daemon.json");
        File.WriteAllText(path, file);
        return new DaemonSettings { File = path, Variables = variables, Set = set, Defaults = new DaemonOptions { SocketPath = "/run/default.sock", DataDirectory = "/data" } }.Read();
    }
}
