using Docker.DotNet.Models;

namespace Ergon.Docker.Tests;

internal static partial class TestEngine
{
    /// <summary>The containers that carry an executor's id.</summary>
    public static async Task<IList<ContainerListResponse>> ContainersOfAsync(string executorId, Uri? endpoint = null, CancellationToken cancellationToken = default)
    {
        using var client = Connect(endpoint);
        return await client.Containers.ListContainersAsync(
            new ContainersListParameters
            {
                All = true,
                Filters = new Dictionary<string, IDictionary<string, bool>>
                {
                    ["label"] = new Dictionary<string, bool> { [$"{ContainerSpec.ExecutorLabel}={executorId}"] = true },
                },
            },
            cancellationToken);
    }
}
