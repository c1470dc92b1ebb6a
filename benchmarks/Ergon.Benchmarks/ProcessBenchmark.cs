using System.Diagnostics;
using Ergon.Process;

namespace Ergon.Benchmarks;

/// <summary>The sandboxed process beside a bare one, and beside the same namespaces made with <c>unshare</c>.</summary>
internal static class ProcessBenchmark
{
    public static async Task<Section> RunAsync(Alternation alternation, int rounds)
    {
        await using var executor = ProcessExecutor.Create();
        Contender[] contenders =
        [
            new Contender("unshare -fmpiun", () => SpawnAsync("unshare", "-fmpiun", "--mount-proc", "echo", "hello")),
            new Contender("bare process", () => SpawnAsync("echo", "hello")),
            new Contender("Ergon RunAsync", () => RunOnceAsync(executor)),
        ];
        return Section.Of("Process", "process", await alternation.MeasureLevelsAsync(contenders, rounds));
    }

    internal static async Task SpawnAsync(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        var errors = process.StandardError.ReadToEndAsync();
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0 || text != "hello\n") throw new InvalidOperationException($"{program} failed: {await errors}");
    }

    private static async Task RunOnceAsync(Executor executor)
    {
        var result = await executor.RunAsync(new ExecutionRequest
        {
            JobId = JobId.Parse("benchmark"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = new ProcessSpec { Cmd = ["echo", "hello"] }.ToSpecConfig(),
        });
        if (result.Status != ExecutionStatus.Success || result.Stdout.Text != "hello\n") throw new InvalidOperationException($"The job failed: {result.Reason} {result.Error}");
    }
}
