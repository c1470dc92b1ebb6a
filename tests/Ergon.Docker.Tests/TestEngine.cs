using Docker.DotNet;

namespace Ergon.Docker.Tests;

/// <summary>The Docker Engine that the tests use, looked at from the outside.</summary>
internal static partial class TestEngine
{
    /// <summary>The variable that names the Engine.</summary>
    public const string Variable = "ERGON_TEST_DOCKER_HOST";

    private const string DefaultSocket = "/var/run/docker.sock";

    /// <summary>The Engine; <see langword="null"/> when there is none.</summary>
    public static Uri? Endpoint { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given
        ? new Uri(given)
        : File.Exists(DefaultSocket) ? new Uri("unix://" + DefaultSocket) : null;

    /// <summary>Why there is no Engine, for those who wonder.</summary>
    public const string Missing = $"There is no Docker Engine: {Variable} is not set and {DefaultSocket} is not there. 'scripts/docker-engine start DIR' starts one.";

    /// <summary>Skips the test when there is no Engine.</summary>
    public static Uri Required()
    {
        Assert.SkipWhen(Endpoint is null, Missing);
        return Endpoint;
    }

    /// <summary>A client of its own for what tests do past the executor.</summary>
    public static DockerClient Connect(Uri? endpoint = null) =>
        new DockerClientBuilder().WithEndpoint(endpoint ?? Required()).WithTimeout(TimeSpan.FromMinutes(1)).Build();
}
