using Docker.DotNet;
using Docker.DotNet.Models;

namespace Ergon.Benchmarks;

/// <summary>The same job by the calls that the Engine needs at least: create, attach (for which the client library asks for a description first), start, wait, read, remove.</summary>
internal sealed class RawDocker(IDockerClient client, string image, IReadOnlyList<string> command)
{
    public async Task RunOnceAsync()
    {
        var created = await client.Containers.CreateContainerAsync(new CreateContainerParameters
        {
            Image = image,
            Cmd = [.. command],
            AttachStdout = true,
            AttachStderr = true,
            HostConfig = new HostConfig
            {
                NetworkMode = "none",
                CapDrop = ["ALL"],
                SecurityOpt = ["no-new-privileges"],
                PidsLimit = 512,
                Init = true,
                LogConfig = new LogConfig { Type = "local" },
            },
        });
        try
        {
            using var output = await client.Containers.AttachContainerAsync(
                created.ID, new ContainerAttachParameters { Stream = true, Stdout = true, Stderr = true }, CancellationToken.None);
            await client.Containers.StartContainerAsync(created.ID, new ContainerStartParameters());
            var waiting = client.Containers.WaitContainerAsync(created.ID);
            await output.CopyOutputToAsync(Stream.Null, Stream.Null, Stream.Null, CancellationToken.None);
            if ((await waiting).StatusCode is not 0 and var code) throw new InvalidOperationException($"The job failed with {code}.");
        }
        finally
        {
            await client.Containers.RemoveContainerAsync(created.ID, new ContainerRemoveParameters { Force = true, RemoveVolumes = true });
        }
    }
}
