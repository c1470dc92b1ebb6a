using System.Runtime.CompilerServices;
using DotNet.Testcontainers.Builders;
using DotNet.Testcontainers.Configurations;
using Ergon.Docker;

namespace Ergon.Benchmarks;

/// <summary>
/// Testcontainers for .NET beside the plain calls and Ergon, all compiled just in time: its library needs code that is made at run time, so it is
/// in no native file.
/// </summary>
internal static class TestcontainersBenchmark
{
    public static Task<Section> RunAsync(Alternation alternation, string host, int rounds) => RuntimeFeature.IsDynamicCodeSupported
        ? MeasureAsync(alternation, host, rounds)
        : Task.FromResult<Section>("\nTestcontainers for .NET is left out of a native file; `dotnet run` measures it.\n");

    private static async Task<Section> MeasureAsync(Alternation alternation, string host, int rounds)
    {
        using var engine = new HttpEngine(host);

        // Else it asks for a version that older Engines do not have.
        Environment.SetEnvironmentVariable("DOCKER_API_VERSION", await engine.GetApiVersionAsync());

        // No container that watches over the others: nobody else here has one.
        TestcontainersSettings.ResourceReaperEnabled = false;
        await using var executor = DockerExecutor.Create();
        var levels = await alternation.MeasureLevelsAsync(
            [
                new("Engine API, plain HTTP", () => engine.RunAsync(DockerBenchmark.Command)),
                new("Testcontainers", () => RunOnceAsync(host)),
                new("Ergon RunAsync", () => DockerBenchmark.RunOnceAsync(executor)),
            ],
            rounds);
        return Section.Of("Testcontainers, compiled just in time", "testcontainers", levels);
    }

    private static async Task RunOnceAsync(string host)
    {
        await using var container = new ContainerBuilder("busybox:latest")
            .WithDockerEndpoint(host)
            .WithImagePullPolicy(DotNet.Testcontainers.Images.PullPolicy.Never)
            .WithCommand(DockerBenchmark.Command)
            .WithCreateParameterModifier(p => p.HostConfig!.NetworkMode = "none")
            .WithLogger(Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance)
            .Build();
        await container.StartAsync();
        if (await container.GetExitCodeAsync() is not 0 and var code) throw new InvalidOperationException($"The job failed with {code}.");
        var (stdout, stderr) = await container.GetLogsAsync(timestampsEnabled: false);
        if (stdout != "hello\n") throw new InvalidOperationException($"The job wrote '{stdout}' and '{stderr}'.");
    }
}
