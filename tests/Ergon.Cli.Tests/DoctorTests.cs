using System.Text.Json;

namespace Ergon.Cli.Tests;

public sealed class DoctorTests
{
    private static readonly Dictionary<string, string?> NoDocker = new() { ["DOCKER_HOST"] = "unix:///no/such/docker.sock" };

    [Fact]
    public async Task The_doctor_names_every_executor_and_what_to_do_about_those_that_do_not_work()
    {
        var outcome = await new ErgonCommand("doctor") { Environment = NoDocker }.RunAsync();

        outcome.ExitCode.Should().Be(0, "the process executor works");
        outcome.Text.Should().Contain("process: works").And.Contain("docker: does not work").And.Contain("/no/such/docker.sock").And.Contain("remedy: ");
    }

    [Fact]
    public async Task The_doctor_speaks_JSON()
    {
        var outcome = await new ErgonCommand("doctor", "--json") { Environment = NoDocker }.RunAsync();

        using var document = JsonDocument.Parse(outcome.Output);
        var found = document.RootElement.EnumerateArray()
            .Select(f => ErgonJson.ParseFingerprint(JsonSerializer.SerializeToUtf8Bytes(f)))
            .ToDictionary(f => f.Executor);
        found["process"].Available.Should().BeTrue();
        found["docker"].Available.Should().BeFalse();
        found["docker"].Problems.Should().NotBeEmpty();
    }
}
