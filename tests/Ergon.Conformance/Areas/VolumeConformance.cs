using System.Text;

namespace Ergon.Conformance;

/// <summary>Inputs, outputs and the results directory.</summary>
public abstract class VolumeConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_job_reads_a_file_that_is_brought_in()
    {
        var source = NewFile("from the host");
        var result = await RunAsync(Request(ReadFile("/data/in.txt")) with { Inputs = [Input(source, "/data/in.txt")] });
        result.Stdout.Text.Should().Be("from the host");
    }

    [Fact]
    public async Task A_job_reads_a_directory_that_is_brought_in()
    {
        var directory = Path.GetDirectoryName(NewFile("deep inside", "sub dir/ünï.txt"))!;
        var result = await RunAsync(Request(ReadFile("/data/in/sub dir/ünï.txt")) with { Inputs = [Input(Path.GetDirectoryName(directory)!, "/data/in")] });
        result.Stdout.Text.Should().Be("deep inside");
    }

    [Fact]
    public async Task A_read_only_input_cannot_be_written()
    {
        var source = NewFile("untouched");
        var request = Request(ReadFile("/data/in/file"), WriteFile("/data/in/file", "changed")) with
        {
            Inputs = [Input(Path.GetDirectoryName(source)!, "/data/in")],
        };
        var result = await RunAsync(request);
        result.ExitCode.Should().Be(73);
        result.Stdout.Text.Should().Be("untouched");
        (await File.ReadAllTextAsync(source, Token)).Should().Be("untouched");
    }

    [Fact]
    public async Task A_writable_input_is_the_host_directory_itself()
    {
        var source = NewFile("old");
        var directory = Path.GetDirectoryName(source)!;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(directory, (UnixFileMode)0b111_111_111);
        var request = Request(WriteFile("/data/in/new", "from the job")) with { Inputs = [Input(directory, "/data/in") with { ReadOnly = false }] };
        if (!Can.WritableInputs)
        {
            await RefusedRequest(request, "inputs[0].read_only", ErrorCode.NotSupported);
            return;
        }

        (await RunAsync(request)).ExitCode.Should().Be(0);
        (await File.ReadAllTextAsync(Path.Combine(directory, "new"), Token)).Should().Be("from the job");
    }

    [Fact]
    public async Task Several_inputs_lie_beside_each_other()
    {
        var (first, second) = (NewFile("1"), NewFile("2"));
        var result = await RunAsync(Request(ReadFile("/data/first"), ReadFile("/data/second")) with
        {
            Inputs = [Input(first, "/data/first"), Input(second, "/data/second")],
        });
        result.Stdout.Text.Should().Be("12");
    }

    [Fact]
    public async Task Outputs_end_in_the_results_directory()
    {
        var results = Fixture.NewDirectory();
        var result = await RunAsync(Request(WriteFile("/out/a/report.txt", "well done"), WriteFile("/out/b/more.bin", "\0\u0001ü")) with
        {
            ResultsDir = results,
            Outputs = [Output("reports", "/out/a"), Output("data", "/out/b")],
        });
        result.ExitCode.Should().Be(0);
        (await File.ReadAllTextAsync(Path.Combine(results, "reports", "report.txt"), Token)).Should().Be("well done");
        (await File.ReadAllTextAsync(Path.Combine(results, "data", "more.bin"), Token)).Should().Be("\0\u0001ü");
    }

    [Fact]
    public async Task The_outputs_of_a_failing_job_are_kept()
    {
        var results = Fixture.NewDirectory();
        var result = await RunAsync(Request(WriteFile("/out/partial", "half"), Exit(1)) with { ResultsDir = results, Outputs = [Output("out", "/out")] });
        result.ExitCode.Should().Be(1);
        (await File.ReadAllTextAsync(Path.Combine(results, "out", "partial"), Token)).Should().Be("half");
    }

    [Fact]
    public async Task The_outputs_of_a_job_that_times_out_are_kept()
    {
        var results = Fixture.NewDirectory();
        var result = await RunAsync(Request(WriteFile("/out/partial", "half"), Hang()) with
        {
            ResultsDir = results,
            Outputs = [Output("out", "/out")],
            Timeouts = new Timeouts { Run = Fixture.FirstSteps, StopGrace = TimeSpan.Zero },
        });
        result.Reason.Should().Be(TerminationReason.TimedOut);
        (await File.ReadAllTextAsync(Path.Combine(results, "out", "partial"), Token)).Should().Be("half");
    }

    [Fact]
    public async Task The_results_directory_receives_output_exit_code_and_result()
    {
        var results = Path.Combine(Fixture.NewDirectory(), "made", "when", "missing");
        var request = Request(Print("to stdout"), PrintError("to stderr"), Exit(12)) with { ResultsDir = results };
        await RunAsync(request);

        (await File.ReadAllTextAsync(Path.Combine(results, "stdout"), Token)).Should().Be("to stdout");
        (await File.ReadAllTextAsync(Path.Combine(results, "stderr"), Token)).Should().Be("to stderr");
        (await File.ReadAllTextAsync(Path.Combine(results, "exit_code"), Token)).Trim().Should().Be("12");
        var json = await File.ReadAllTextAsync(Path.Combine(results, "result.json"), Token);
        var result = ErgonJson.ParseResult(Encoding.UTF8.GetBytes(json));
        result.ExecutionId.Should().Be(request.ExecutionId);
        result.ExitCode.Should().Be(12);
        result.Stdout.Text.Should().Be("to stdout");
    }

    [Fact]
    public async Task A_refused_start_makes_no_results_directory()
    {
        var results = Path.Combine(Fixture.NewDirectory(), "results");
        await RefusedRequest(Request(Exit(0)) with { ResultsDir = results, Resources = new Resources { Cpu = -1 } }, "resources.cpu");
        Directory.Exists(results).Should().BeFalse();
    }

    [Fact]
    public async Task Removing_the_execution_leaves_its_results()
    {
        var results = Fixture.NewDirectory();
        var request = Request(Print("kept")) with { ResultsDir = results };
        await RunAsync(request);
        await Executor.RemoveAsync(request.ExecutionId, TimeSpan.FromSeconds(30), Token);
        (await File.ReadAllTextAsync(Path.Combine(results, "stdout"), Token)).Should().Be("kept");
    }

    private static StorageVolume Input(string source, string target) => new() { Source = source, Target = target, ReadOnly = true };

    private static StorageVolume Output(string name, string target) => new() { Source = name, Target = target };

    private string NewFile(string text, string name = "file")
    {
        var path = Path.Combine(Fixture.NewDirectory(), name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }
}
