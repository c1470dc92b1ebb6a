namespace Ergon.Benchmarks;

/// <summary><c>ergon run</c> beside <c>docker run --rm</c>, and the start-up of the command itself.</summary>
internal static class CliBenchmark
{
    /// <summary>The native file; <c>ERGON_CLI</c> names another.</summary>
    private static string Ergon => Environment.GetEnvironmentVariable("ERGON_CLI") ?? "artifacts/ergon/ergon";

    public static async Task<Section> RunAsync(Alternation alternation, int rounds)
    {
        var docker = await alternation.MeasureAsync(
            [
                new Contender("docker run --rm", () => ProcessBenchmark.SpawnAsync("docker", "run", "--rm", "--network", "none", "busybox", "echo", "hello")),
                new Contender("ergon run --executor docker", () => ProcessBenchmark.SpawnAsync(Ergon, "run", "--executor", "docker", "--image", "busybox", "--", "echo", "hello")),
            ],
            rounds);
        var start = await alternation.MeasureAsync(
            [
                new Contender("bare echo", () => ProcessBenchmark.SpawnAsync("echo", "hello")),
                new Contender("ergon run --executor process", () => ProcessBenchmark.SpawnAsync(Ergon, "run", "--executor", "process", "--", "echo", "hello")),
            ],
            rounds);
        return "\n## Command line\n" + Table.Of("Command line, Docker", docker) + Table.Of("Command line, process", start);
    }
}
