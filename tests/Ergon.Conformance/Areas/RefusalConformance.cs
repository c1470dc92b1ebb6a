namespace Ergon.Conformance;

/// <summary>Requests that are refused: each bad field by name, all of them at once, and nothing left behind.</summary>
public abstract class RefusalConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task All_problems_of_a_request_are_reported_at_once()
    {
        var error = await RefusedRequest(
            Request(Exit(0)) with
            {
                Resources = new Resources { Cpu = -1, Memory = -1 },
                Timeouts = new Timeouts { Run = TimeSpan.FromSeconds(-1) },
                Environment = new Dictionary<string, string> { ["a=b"] = "c" },
                Network = new NetworkSpec { GatewayIp = "not an address" },
            },
            "resources.cpu");
        error.Problems.Select(p => p.Field).Should().Contain(["resources.cpu", "resources.memory", "timeouts.run", "network.gateway_ip"]);
        error.Problems.Should().Contain(p => p.Field.StartsWith("environment"));
        foreach (var problem in error.Problems) error.Message.Should().Contain(problem.Field);
    }

    [Theory]
    [InlineData('\0')]
    [InlineData('\uD800')]
    [InlineData('\uDC00')]
    public async Task Texts_that_nothing_can_hold_are_refused_wherever_they_are(char culprit)
    {
        var text = $"a{culprit}b";
        var request = Request(Exit(0));
        var error = await RefusedRequest(
            request with
            {
                Labels = new Dictionary<string, string> { ["label"] = text },
                Environment = new Dictionary<string, string> { ["VARIABLE"] = text },
                Resources = new Resources { Gpus = [new Gpu { Device = text }] },
                Inputs = [new StorageVolume { Type = text, Source = "/" + text, Target = "/" + text }],
                ResultsDir = "/tmp/" + text,
            },
            "labels.label");
        error.Problems.Select(p => p.Field).Should().Contain(
            ["environment.VARIABLE", "resources.gpus[0].device", "inputs[0].type", "inputs[0].source", "inputs[0].target", "results_dir"]);
    }

    [Theory]
    [InlineData("""["\ud800"]""")]
    [InlineData("""{"\udc00": "x"}""")]
    [InlineData("""["a\u0000b"]""")]
    public async Task Parameters_that_nothing_can_hold_are_refused(string json)
    {
        var request = Request(Exit(0));
        using var document = System.Text.Json.JsonDocument.Parse(json);
        foreach (var name in request.EngineSpec.Params.Keys)
        {
            var parameters = new Dictionary<string, System.Text.Json.JsonElement>(request.EngineSpec.Params) { [name] = document.RootElement };
            await RefusedRequest(request with { EngineSpec = request.EngineSpec with { Params = parameters } }, $"engine_spec.params.{name}");
        }
    }

    [Fact]
    public async Task A_request_without_ids_is_refused()
    {
        var request = Request(Exit(0)) with { JobId = default, ExecutionId = default };
        var error = await Refusal(ErrorCode.InvalidRequest, () => Executor.StartAsync(request, Token));
        error.Problems.Select(p => p.Field).Should().Contain(["job_id", "execution_id"]);
    }

    [Fact]
    public Task A_spec_of_another_executor_is_refused() =>
        RefusedRequest(Request(Exit(0)) with { EngineSpec = new SpecConfig { Type = "somewhere-else" } }, "engine_spec.type");

    [Fact]
    public Task A_spec_without_parameters_is_refused() =>
        RefusedRequest(Request(Exit(0)) with { EngineSpec = new SpecConfig { Type = Executor.Name } }, "engine_spec.params");

    [Fact]
    public async Task Run_refuses_as_start_does()
    {
        var request = Request(Exit(0)) with { Resources = new Resources { Memory = -5 } };
        await Refusal(ErrorCode.InvalidRequest, () => Executor.RunAsync(request, Token));
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(request.ExecutionId, Token));
    }

    [Fact]
    public async Task Limits_that_make_no_sense_are_refused()
    {
        await RefusedRequest(Request(Exit(0)) with { Resources = new Resources { Cpu = 0 } }, "resources.cpu");
        await RefusedRequest(Request(Exit(0)) with { Resources = new Resources { Cpu = double.NaN } }, "resources.cpu");
        await RefusedRequest(Request(Exit(0)) with { Resources = new Resources { Pids = 0 } }, "resources.pids");
        await RefusedRequest(Request(Exit(0)) with { LogLimits = new LogLimits { ResultBytes = -1 } }, "log_limits.result_bytes");
        await RefusedRequest(Request(Exit(0)) with { LogLimits = new LogLimits { MaxBytesPerStream = -1 } }, "log_limits.max_bytes_per_stream");
        await RefusedRequest(Request(Exit(0)) with { PersistLogs = TimeSpan.FromSeconds(-1) }, "persist_logs");
    }

    [Fact]
    public async Task Timeouts_that_make_no_sense_are_refused()
    {
        await RefusedRequest(Request(Exit(0)) with { Timeouts = new Timeouts { Prepare = TimeSpan.Zero } }, "timeouts.prepare");
        await RefusedRequest(Request(Exit(0)) with { Timeouts = new Timeouts { Run = TimeSpan.Zero } }, "timeouts.run");
        await RefusedRequest(Request(Exit(0)) with { Timeouts = new Timeouts { StopGrace = TimeSpan.FromTicks(-1) } }, "timeouts.stop_grace");
        await RefusedRequest(Request(Exit(0)) with { Timeouts = new Timeouts { Run = TimeSpan.MaxValue } }, "timeouts.run");
    }

    [Fact]
    public async Task An_input_that_does_not_exist_is_refused()
    {
        var missing = Path.Combine(Fixture.Root, "not-there");
        var error = await RefusedRequest(Request(Exit(0)) with { Inputs = [new StorageVolume { Source = missing, Target = "/in" }] }, "inputs[0].source");
        error.Message.Should().Contain(missing);
    }

    [Theory]
    [InlineData("relative/path")]
    [InlineData("/")]
    [InlineData("/in/../etc")]
    [InlineData("")]
    public Task A_target_that_is_no_place_inside_is_refused(string target) =>
        RefusedRequest(Request(Exit(0)) with { Inputs = [new StorageVolume { Source = Fixture.Root, Target = target }] }, "inputs[0].target");

    [Theory]
    [InlineData("/absolute")]
    [InlineData("../outside")]
    [InlineData("")]
    [InlineData("exit_code")]
    public Task An_output_that_would_leave_the_results_directory_is_refused(string source) =>
        RefusedRequest(
            Request(Exit(0)) with { ResultsDir = Fixture.NewDirectory(), Outputs = [new StorageVolume { Source = source, Target = "/out" }] },
            "outputs[0].source");

    [Fact]
    public async Task Outputs_need_a_results_directory_and_it_must_be_absolute()
    {
        var outputs = new[] { new StorageVolume { Source = "out", Target = "/out" } };
        await RefusedRequest(Request(Exit(0)) with { Outputs = outputs }, "outputs[0]");
        await RefusedRequest(Request(Exit(0)) with { Outputs = outputs, ResultsDir = "relative" }, "results_dir");
    }

    [Fact]
    public async Task A_volume_of_an_unknown_type_is_refused() =>
        await RefusedRequest(
            Request(Exit(0)) with { Inputs = [new StorageVolume { Type = "carrier-pigeon", Source = Fixture.Root, Target = "/in" }] },
            "inputs[0].type",
            ErrorCode.NotSupported);

    [Fact]
    public async Task Paths_outside_the_allowed_roots_are_refused_also_behind_links()
    {
        var (allowed, outside) = (Fixture.NewDirectory(), Fixture.NewDirectory());
        await File.WriteAllTextAsync(Path.Combine(outside, "secret"), "secret", Token);
        File.CreateSymbolicLink(Path.Combine(allowed, "link"), Path.Combine(outside, "secret"));
        Directory.CreateSymbolicLink(Path.Combine(allowed, "dirlink"), outside);
        await using var executor = Fixture.CreateExecutor(new ExecutorOptions { AllowedVolumeRoots = [allowed] });

        foreach (var source in new[] { Path.Combine(outside, "secret"), Path.Combine(allowed, "link"), Path.Combine(allowed, "dirlink", "secret"), allowed + "/../" })
        {
            var request = Request(Exit(0)) with { Inputs = [new StorageVolume { Source = source, Target = "/in" }] };
            var error = await Refusal(ErrorCode.InvalidRequest, () => executor.StartAsync(request, Token));
            error.Problems.Should().ContainSingle(p => p.Kind == RequestProblemKind.Forbidden && p.Field == "inputs[0].source");
        }

        var results = Request(Exit(0)) with { ResultsDir = Path.Combine(allowed, "dirlink", "results") };
        await Refusal(ErrorCode.InvalidRequest, () => executor.StartAsync(results, Token));
        (await RunAsync(Request(Exit(0)) with { ResultsDir = Path.Combine(allowed, "results") }, executor)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task Scripts_need_names_of_their_own()
    {
        ProvisionScript[] scripts = [new() { Name = "same", Content = Fixture.Script(Exit(0)) }, new() { Name = "same", Content = Fixture.Script(Exit(0)) }];
        await RefusedRequest(Request(Exit(0)) with { ProvisionScripts = scripts }, "provision_scripts[1].name");
        await RefusedRequest(Request(Exit(0)) with { ProvisionScripts = [scripts[0] with { Name = "../escape" }] }, "provision_scripts[0].name");
    }

    [Fact]
    public async Task Ports_and_addresses_that_make_no_sense_are_refused()
    {
        await RefusedRequest(With(new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 0 }] }), "network.ports[0].executor_port");
        await RefusedRequest(With(new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 1, HostPort = 65536 }] }), "network.ports[0].host_port");
        await RefusedRequest(With(new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 1, HostIp = "here" }] }), "network.ports[0].host_ip");
        await RefusedRequest(With(new NetworkSpec { Mode = NetworkMode.None, Ports = [new PortMapping { ExecutorPort = 1 }] }), "network.mode");
        await RefusedRequest(With(new NetworkSpec { Mode = NetworkMode.Bridge, Dns = ["nowhere"] }), "network.dns[0]");

        ExecutionRequest With(NetworkSpec network) => Request(Exit(0)) with { Network = network };
    }

    [Fact]
    public async Task Variables_that_no_environment_can_hold_are_refused()
    {
        foreach (var (name, value) in new[] { ("", "value"), ("a=b", "value"), ("A\0B", "value"), ("NUL", "a\0b") })
            await RefusedRequest(Request(Exit(0)) with { Environment = new Dictionary<string, string> { [name] = value } }, "environment");
    }
}
