using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace Ergon.Daemon.CrashHost;

/// <summary>Jobs in containers.</summary>
internal static class Containers
{
    /// <summary>A request that runs a script in a container of an image that is there.</summary>
    public static ExecutionRequest Request(string id, string script) => Request(id, script, "busybox:latest");

    /// <summary>A request that runs a script in a container.</summary>
    public static ExecutionRequest Request(string id, string script, string image) => new()
    {
        JobId = JobId.Parse("crashing"),
        ExecutionId = ExecutionId.Parse(id),
        EngineSpec = SpecConfig.Create("docker", new JsonObject { ["image"] = image, ["pull_policy"] = "never", ["cmd"] = new JsonArray("/bin/sh", "-c", script) }),
        RequestKey = id,
    };

    /// <summary>The containers of an executor, as the Engine lists them.</summary>
    public static async Task<string> ListAsync(Uri endpoint, string executorId)
    {
        using var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(endpoint.AbsolutePath), token);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        var filter = Uri.EscapeDataString($$"""{"name":["{{executorId}}"]}""");
        var containers = await client.GetStringAsync($"http://engine/containers/json?all=1&filters={filter}");
        return containers.Trim() == "[]" ? "" : containers;
    }
}
