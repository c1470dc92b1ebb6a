using System.Text.RegularExpressions;

namespace Ergon.Tests.Json;

/// <summary>What <c>docs/job-file.md</c> shows is what the code does.</summary>
public sealed partial class JobFileDocumentTests
{
    private static readonly string Document = File.ReadAllText(Path.Combine(FindRoot(), "docs", "job-file.md"));

    [Fact]
    public void The_example_is_read()
    {
        var request = ErgonJson.ParseRequest(System.Text.Encoding.UTF8.GetBytes(JsonBlock().Match(Document).Groups["json"].Value));
        request.EngineSpec.Params.Should().ContainKeys("image", "cmd", "working_directory");
        request.Resources.Memory.Should().Be(256 << 20);
        request.Timeouts.Should().Be(new Timeouts
        {
            Prepare = TimeSpan.FromMinutes(5),
            Run = TimeSpan.FromSeconds(30),
            StopGrace = TimeSpan.FromSeconds(5),
        });
        request.LogLimits.Should().Be(new LogLimits { MaxBytesPerStream = 64 << 20, ResultBytes = 64 << 10 });
    }

    [Fact]
    public void The_example_shows_every_field_and_the_table_says_what_each_is()
    {
        var json = JsonBlock().Match(Document).Groups["json"].Value;
        var table = Document[Document.IndexOf("## Fields", StringComparison.Ordinal)..];
        foreach (var name in Ergon.Json.RequestFields.Request.Known)
        {
            json.Should().Contain($"\"{name}\":");
            table.Should().Contain($"`{name}");
        }
    }

    [Fact]
    public void The_problems_that_it_shows_are_those_that_are_reported()
    {
        var read = () => ErgonJson.ParseRequest("""
            {"job_id": "j", "execution_id": "e", "engine_spec": {"type": "docker"}, "timeout": "30s", "resources": {"memory": "256q"},
             "inputs": [{"target": "/in"}]}
            """u8.ToArray());
        Document.Should().Contain(read.Should().Throw<ExecutorException>().Which.Message);
    }

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Ergon.slnx"))) directory = directory.Parent;
        return directory.FullName;
    }

    [GeneratedRegex("```json\n(?<json>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex JsonBlock();
}
