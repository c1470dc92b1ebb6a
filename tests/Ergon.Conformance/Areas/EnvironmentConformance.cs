namespace Ergon.Conformance;

/// <summary>Arguments, variables and the working directory arrive as they were given.</summary>
public abstract class EnvironmentConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task Arguments_arrive_as_they_are()
    {
        string[] arguments = ["plain", "", "two words", "ünïcödé 世界 🚀", "$HOME `id` $(id)", "a'b\"c\\d", "*", "-n", "tab\tnewline\nend", "%s"];
        var result = await RunAsync(Request(new TestJob { Steps = [PrintArguments()], Arguments = arguments }));
        result.Stdout.Text.Should().Be(string.Concat(arguments.Select(a => $"[{a}]\n")));
    }

    [Fact]
    public async Task A_thousand_arguments_arrive()
    {
        var arguments = Enumerable.Range(0, 1000).Select(i => $"argument {i}").ToArray();
        var result = await RunAsync(Request(new TestJob { Steps = [PrintArguments()], Arguments = arguments }));
        result.Stdout.Text.Should().Be(string.Concat(arguments.Select(a => $"[{a}]\n")));
    }

    [Fact]
    public async Task Variables_of_the_request_reach_the_job() =>
        (await RunAsync(Request(PrintVariable("GREETING")) with { Environment = One("GREETING", "hello world") }))
            .Stdout.Text.Should().Be("[hello world]\n");

    [Fact]
    public async Task Variables_of_the_spec_reach_the_job() =>
        (await RunAsync(Request(new TestJob { Steps = [PrintVariable("GREETING")], Environment = One("GREETING", "hello") })))
            .Stdout.Text.Should().Be("[hello]\n");

    [Fact]
    public async Task Variables_of_the_request_win_over_those_of_the_spec()
    {
        var job = new TestJob
        {
            Steps = [PrintVariable("BOTH"), PrintVariable("SPEC_ONLY"), PrintVariable("REQUEST_ONLY")],
            Environment = new Dictionary<string, string> { ["BOTH"] = "spec", ["SPEC_ONLY"] = "spec" },
        };
        var request = Request(job) with
        {
            Environment = new Dictionary<string, string> { ["BOTH"] = "request", ["REQUEST_ONLY"] = "request" },
        };
        (await RunAsync(request)).Stdout.Text.Should().Be("[request]\n[spec]\n[request]\n");
    }

    [Fact]
    public async Task Values_with_any_characters_arrive_as_they_are()
    {
        const string value = "a=b; ü 🚀 \"quoted\" 'single' $HOME \\ \t line 1\nline 2";
        (await RunAsync(Request(PrintVariable("ODD")) with { Environment = One("ODD", value) })).Stdout.Text.Should().Be($"[{value}]\n");
    }

    [Fact]
    public async Task An_empty_value_is_set() =>
        (await RunAsync(Request(PrintVariable("EMPTY"), PrintVariable("NOT_THERE")) with { Environment = One("EMPTY", "") }))
            .Stdout.Text.Should().Be("[]\nunset\n");

    [Fact]
    public async Task The_environment_of_the_host_process_does_not_reach_the_job()
    {
        var name = $"HOST_ONLY_{Guid.NewGuid():n}";
        Environment.SetEnvironmentVariable(name, "secret");
        try
        {
            (await RunAsync(PrintVariable(name))).Stdout.Text.Should().Be("unset\n");
        }
        finally
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }

    [Fact]
    public async Task A_job_has_a_path_to_find_commands_on() =>
        (await RunAsync(PrintVariable("PATH"))).Stdout.Text.Should().Contain("/bin");

    [Fact]
    public async Task The_job_starts_in_the_directory_of_the_spec() =>
        (await RunAsync(Request(new TestJob { Steps = [PrintWorkingDirectory()], WorkingDirectory = "/etc" }))).Stdout.Text.Should().Be("/etc\n");

    private static Dictionary<string, string> One(string name, string value) => new() { [name] = value };
}
