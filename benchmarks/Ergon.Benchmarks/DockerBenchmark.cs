using Docker.DotNet;
using Ergon.Docker;

namespace Ergon.Benchmarks;

/// <summary><c>RunAsync</c> beside the same sequence of raw Engine calls, alternated in one run.</summary>
internal static class DockerBenchmark
{
    private static readonly string[] Command = ["echo", "hello"];

    public static async Task<string> RunAsync(int rounds)
    {
        var host = Environment.GetEnvironmentVariable("DOCKER_HOST") ?? "unix:///var/run/docker.sock";
        using var client = new DockerClientBuilder().WithEndpoint(new Uri(host)).Build();
        var raw = new RawDocker(client, "busybox:latest", Command);
        await using var executor = DockerExecutor.Create();
        var contenders = new[] { new Contender("raw Engine calls", raw.RunOnceAsync), new Contender("Ergon RunAsync", () => RunOnceAsync(executor)) };
        var single = await Alternation.MeasureAsync(contenders, rounds, concurrency: 1);
        var many = await Alternation.MeasureAsync(contenders, Math.Max(4, rounds / 8), concurrency: 16);
        return Table.Of("Docker, one at a time", single) + Table.Of("Docker, 16 at a time", many);
    }

    private static async Task RunOnceAsync(Executor executor)
    {
        var result = await executor.RunAsync(new ExecutionRequest
        {
            JobId = JobId.Parse("benchmark"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = new DockerSpec { Image = "busybox:latest", Cmd = Command }.ToSpecConfig(),
        });
        if (result.Status != ExecutionStatus.Success || result.Stdout.Text != "hello\n") throw new InvalidOperationException($"The job failed: {result.Reason} {result.Error}");
    }
}
