using System.Text;

namespace Ergon.Tests.Json;

/// <summary>What is read, and from which spellings.</summary>
public sealed class RequestReaderTests
{
    private const string Go = """
        {
          "JobID": "job-7", "ExecutionID": "exec-7",
          "EngineSpec": {"Type": "docker", "Params": {"image": "busybox", "cmd": ["echo", "hi"], "environment": ["A=1"]}},
          "Resources": {"CPU": 1.5, "Memory": 268435456, "Disk": 0, "GPUs": [{"Vendor": "AMD", "Device": "/dev/dri/renderD128"}]},
          "Inputs": [{"Type": "local", "Source": "/data", "Target": "/in", "ReadOnly": true}],
          "Outputs": null,
          "ResultsDir": "/results",
          "PortsToBind": [{"IP": "127.0.0.1", "HostPort": 8080, "ExecutorPort": 80}, {"IP": "", "HostPort": 0, "ExecutorPort": 53}],
          "GatewayIP": "10.0.0.1",
          "PersistLogsDuration": 3600000000000,
          "ProvisionScripts": {"b.sh": "ZWNobyBi", "a.sh": "ZWNobyBh"}
        }
        """;

    [Fact]
    public void A_request_of_a_Go_encoder_is_read()
    {
        var request = Parse(Go);
        request.JobId.Value.Should().Be("job-7");
        request.ExecutionId.Value.Should().Be("exec-7");
        request.EngineSpec.Type.Should().Be("docker");
        request.EngineSpec.Params.Keys.Should().Equal("image", "cmd", "environment");
        request.EngineSpec.Params["cmd"].GetRawText().Should().Be("""["echo", "hi"]""");
        request.Resources.Should().BeEquivalentTo(new Resources
        {
            Cpu = 1.5,
            Memory = 256 << 20,
            Disk = null,
            Gpus = [new Gpu { Vendor = GpuVendor.Amd, Device = "/dev/dri/renderD128" }],
        });
        request.Inputs.Should().Equal(new StorageVolume { Source = "/data", Target = "/in", ReadOnly = true });
        request.Outputs.Should().BeEmpty();
        request.ResultsDir.Should().Be("/results");
        request.Network.Ports.Should().Equal(
            new PortMapping { HostIp = "127.0.0.1", HostPort = 8080, ExecutorPort = 80 }, new PortMapping { ExecutorPort = 53 });
        request.Network.GatewayIp.Should().Be("10.0.0.1");
        request.PersistLogs.Should().Be(TimeSpan.FromHours(1));
        request.ProvisionScripts.Select(s => (s.Name, Encoding.UTF8.GetString(s.Content.Span)))
            .Should().Equal(("a.sh", "echo a"), ("b.sh", "echo b"));
    }

    [Fact]
    public void A_zero_of_a_Go_encoder_is_a_field_that_nobody_set()
    {
        var request = Parse("""
            {"JobID": "j", "ExecutionID": "e", "EngineSpec": {"Type": "process", "Params": null}, "ResultsDir": "", "GatewayIP": "",
             "Resources": {"CPU": 0, "Memory": 0, "Disk": 0, "GPUs": null}, "PersistLogsDuration": 0, "PortsToBind": null,
             "ProvisionScripts": null, "Inputs": [{"Type": "", "Source": "/a", "Target": "/b", "ReadOnly": false}]}
            """);
        request.ResultsDir.Should().BeNull();
        request.Network.GatewayIp.Should().BeNull();
        request.Resources.Should().BeEquivalentTo(new Resources());
        request.PersistLogs.Should().BeNull();
        request.Inputs.Should().Equal(new StorageVolume { Type = "local", Source = "/a", Target = "/b" });
    }

    [Fact]
    public void A_zero_under_our_own_names_means_zero()
    {
        var request = ParseMinimal(""" "resources": {"cpu": 0, "memory": 0}, "persist_logs": "0s", "results_dir": "" """);
        request.Resources.Cpu.Should().Be(0);
        request.Resources.Memory.Should().Be(0);
        request.PersistLogs.Should().Be(TimeSpan.Zero);
        request.ResultsDir.Should().BeEmpty();
    }

    [Fact]
    public void What_is_not_given_has_its_default()
    {
        var request = ParseMinimal(""" "timeouts": {"run": "30s"}, "resources": {}, "network": null, "log_limits": {"result_bytes": "1k"} """);
        request.Timeouts.Should().Be(new Timeouts { Run = TimeSpan.FromSeconds(30) });
        request.Resources.Pids.Should().Be(512);
        request.Network.Mode.Should().BeNull();
        request.LogLimits.Should().Be(new LogLimits { ResultBytes = 1024 });
        request.Labels.Should().BeEmpty();
        request.ProvisionScripts.Should().BeEmpty();
    }

    [Theory]
    [InlineData("job_id")]
    [InlineData("JobID")]
    [InlineData("jobId")]
    [InlineData("JOB_ID")]
    [InlineData("jobid")]
    public void Names_are_matched_without_regard_to_case_and_underscores(string name) =>
        Parse($$"""{"{{name}}": "j", "execution_id": "e", "engine_spec": {"type": "process"} }""").JobId.Value.Should().Be("j");

    [Theory]
    [InlineData("1048576", 1 << 20)]
    [InlineData("\"1048576\"", 1 << 20)]
    [InlineData("\"256m\"", 256 << 20)]
    [InlineData("\"256MiB\"", 256 << 20)]
    [InlineData("\"1.5g\"", 3L << 29)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void Sizes_are_bytes_or_text(string size, long bytes) =>
        ParseMinimal($$""" "resources": {"memory": {{size}}} """).Resources.Memory.Should().Be(bytes);

    [Theory]
    [InlineData("\"30s\"", 30_000)]
    [InlineData("\"1m30s\"", 90_000)]
    [InlineData("\"0.5s\"", 500)]
    [InlineData("1500000000", 1_500)]
    [InlineData("0", 0)]
    public void Durations_are_text_or_nanoseconds(string duration, int milliseconds) =>
        ParseMinimal($$""" "timeouts": {"run": {{duration}}} """).Timeouts.Run.Should().Be(TimeSpan.FromMilliseconds(milliseconds));

    [Theory]
    [InlineData("bridge", NetworkMode.Bridge)]
    [InlineData("None", NetworkMode.None)]
    [InlineData("HOST", NetworkMode.Host)]
    public void Choices_are_read_in_any_case(string written, NetworkMode mode) =>
        ParseMinimal($$""" "network": {"mode": "{{written}}"} """).Network.Mode.Should().Be(mode);

    [Theory]
    [InlineData("""{"A": "1", "B": "x=y", "C": ""}""")]
    [InlineData("""["A=1", "B=x=y", "C="]""")]
    public void The_environment_is_an_object_or_a_list(string environment) =>
        ParseMinimal($$""" "environment": {{environment}} """).Environment
            .Should().Equal(new Dictionary<string, string> { ["A"] = "1", ["B"] = "x=y", ["C"] = "" });

    [Fact]
    public void Scripts_are_given_as_text_or_in_base64_and_keep_their_order()
    {
        var scripts = ParseMinimal(""" "provision_scripts": [{"name": "z", "script": "echo ü\n"}, {"name": "a", "content": "/wA="}] """).ProvisionScripts;
        scripts.Select(s => s.Name).Should().Equal("z", "a");
        scripts[0].Content.ToArray().Should().Equal("echo ü\n"u8.ToArray());
        scripts[1].Content.ToArray().Should().Equal(0xff, 0);
    }

    [Fact]
    public void Defaults_fill_what_is_left_out_and_give_way_to_what_is_given()
    {
        var defaults = new RequestDefaults { JobId = JobId.Parse("dj"), ExecutionId = ExecutionId.Parse("de"), EngineType = "docker" };
        var all = ErgonJson.ParseRequest("{}"u8.ToArray(), defaults);
        (all.JobId.Value, all.ExecutionId.Value, all.EngineSpec.Type).Should().Be(("dj", "de", "docker"));
        var one = ErgonJson.ParseRequest("""{"job_id": "j", "engine_spec": {"params": {"image": "x"}}}"""u8.ToArray(), defaults);
        (one.JobId.Value, one.ExecutionId.Value, one.EngineSpec.Type).Should().Be(("j", "de", "docker"));
        one.EngineSpec.Params.Should().ContainKey("image");
        var own = ErgonJson.ParseRequest("""{"engine_spec": {"type": "process"}}"""u8.ToArray(), defaults);
        own.EngineSpec.Type.Should().Be("process");
    }

    private static ExecutionRequest Parse(string json) => ErgonJson.ParseRequest(Encoding.UTF8.GetBytes(json));

    private static ExecutionRequest ParseMinimal(string fields) =>
        Parse($$"""{"job_id": "j", "execution_id": "e", "engine_spec": {"type": "process"}, {{fields}} }""");
}
