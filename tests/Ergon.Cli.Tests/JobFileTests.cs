namespace Ergon.Cli.Tests;

public sealed class JobFileTests : IDisposable
{
    private const string Json = """
        {
          "job_id": "from-file",
          "engine_spec": { "type": "process", "params": { "cmd": ["sh", "-c", "echo $WORD; exit 7"] } },
          "environment": { "WORD": "json" },
          "timeouts": { "run": "1m" }
        }
        """;

    private const string Yaml = """
        # The same job
        job_id: from-file
        engine_spec:
          type: process
          params:
            cmd: [sh, -c, "echo $WORD $NUMBER; exit 7"]
        environment: { WORD: yes, NUMBER: "0x10" }
        resources:
          memory: 256m
        """;

    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_JSON_file_is_a_job()
    {
        var outcome = await new ErgonCommand("run", "-f", _scratch.Write("job.json", Json)).RunAsync();

        outcome.Error.Should().BeEmpty();
        outcome.Text.Should().Be("json\n");
        outcome.ExitCode.Should().Be(7);
    }

    [Fact]
    public async Task A_YAML_file_is_a_job()
    {
        var outcome = await new ErgonCommand("run", "-f", _scratch.Write("job.yaml", Yaml)).RunAsync();

        outcome.Error.Should().BeEmpty();
        outcome.Text.Should().Be("yes 0x10\n");
        outcome.ExitCode.Should().Be(7);
    }

    [Fact]
    public async Task A_job_can_come_from_the_input() =>
        (await (new ErgonCommand("run", "-f", "-") with { Input = Yaml }).RunAsync()).Text.Should().Be("yes 0x10\n");

    [Fact]
    public async Task Flags_win_over_the_file()
    {
        var outcome = await new ErgonCommand(
            "run", "-f", _scratch.Write("job.json", Json), "-e", "WORD=flag", "--job-id", "from-flag", "--json", "--", "sh", "-c", "echo $WORD").RunAsync();

        var result = ErgonJson.ParseResult(outcome.Output);
        result.JobId.Value.Should().Be("from-flag");
        result.Stdout.Text.Should().Be("flag\n");
    }

    [Fact]
    public async Task What_Go_encoded_is_a_job()
    {
        var file = _scratch.Write("go.json", """
            {
              "JobID": "go", "ExecutionID": "go-1", "EngineSpec": { "Type": "process", "Params": { "cmd": ["sh", "-c", "echo go"] } },
              "Inputs": null, "Outputs": null, "ResultsDir": "", "PortsToBind": null, "GatewayIP": "", "PersistLogsDuration": 0, "ProvisionScripts": null
            }
            """);

        (await new ErgonCommand("run", "-f", file).RunAsync()).Text.Should().Be("go\n");
    }

    [Fact]
    public async Task Everything_that_is_wrong_with_the_file_and_the_flags_is_said_at_once()
    {
        var file = _scratch.Write("job.yaml", "timeout: 30s\nresources: { memory: 1q }\nengine_spec: { type: process, params: { cmd: [true] } }\n");

        var outcome = await new ErgonCommand("run", "-f", file, "--stop-grace", "soon").RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Error.Should().Contain("timeout: ").And.Contain("'timeouts'").And.Contain("resources.memory").And.Contain("--stop-grace");
    }

    [Theory]
    [InlineData("{")]
    [InlineData("a: [1")]
    [InlineData("a: 1\n---\nb: 2\n")]
    [InlineData("a: &x [1]\nb: *y\n")]
    [InlineData("? [a]\n: b\n")]
    [InlineData("a: &a [*a]\n")]
    [InlineData("a: 1\na: 2\n")]
    [InlineData("'a\nb")]
    [InlineData("a: \tb: c\n")]
    [InlineData("\u0001")]
    [InlineData("- just\n- a list\n")]
    [InlineData("")]
    public async Task A_file_that_cannot_be_read_is_refused_in_words(string content)
    {
        var outcome = await new ErgonCommand("run", "-f", _scratch.Write("job", content), "--", "true").RunAsync();

        outcome.ExitCode.Should().Be(125, outcome.Error);
        outcome.Error.Should().StartWith("ergon: ").And.NotContain("   at ", "a stack trace helps nobody");
    }

    [Fact]
    public async Task Aliases_upon_aliases_are_refused_before_they_grow()
    {
        var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
            + string.Concat(Enumerable.Range(1, 9).Select(i => $"a{i}: &a{i} [{string.Join(',', Enumerable.Repeat($"*a{i - 1}", 10))}]\n"));

        var outcome = await new ErgonCommand("run", "-f", _scratch.Write("bomb.yaml", bomb)).RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Error.Should().StartWith("ergon: ");
    }

    [Fact]
    public async Task Deep_nesting_is_refused()
    {
        var outcome = await new ErgonCommand("run", "-f", _scratch.Write("deep.yaml", "a: " + new string('[', 100_000))).RunAsync();

        outcome.ExitCode.Should().Be(125, outcome.Error.Length > 500 ? outcome.Error[..500] : outcome.Error);
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_named()
    {
        var outcome = await new ErgonCommand("run", "-f", "/no/such/job.yaml").RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Error.Should().Contain("/no/such/job.yaml");
    }
}
