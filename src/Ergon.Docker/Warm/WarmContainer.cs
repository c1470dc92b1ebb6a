using System.Buffers.Binary;
using System.Net.Sockets;
using Ergon.Docker.Api;

namespace Ergon.Docker.Warm;

/// <summary>A container that runs and waits for its one job.</summary>
internal sealed class WarmContainer : IAsyncDisposable
{
    /// <summary>Marks a container that was made before its job; says where its files are.</summary>
    public const string Label = "ergon.warm";

    private readonly EngineConnection _engine;
    private readonly WarmFiles _files;
    private readonly Socket _connection;
    private EngineStream? _output;

    private WarmContainer(EngineConnection engine, string id, ImageDescription image, WarmFiles files, Socket connection, EngineStream output) =>
        (_engine, Id, Image, _files, _connection, _output) = (engine, id, image, files, connection, output);

    /// <summary>The Engine's id of it.</summary>
    public string Id { get; }

    /// <summary>The image that it was made of.</summary>
    public ImageDescription Image { get; }

    /// <summary>The directory of its files.</summary>
    public string Directory => _files.Directory;

    /// <summary>Whether it still waits; what has ended cannot be used.</summary>
    public bool IsWaiting => !_connection.Poll(0, SelectMode.SelectRead);

    /// <summary>Makes and starts one, and returns when it waits.</summary>
    public static async Task<WarmContainer> MakeAsync(EngineConnection engine, WarmKind kind, ImageDescription image, string root, CancellationToken cancellationToken)
    {
        var files = WarmFiles.Create(root);
        var config = ConfigOf(kind, image.Id, files);
        EngineStream? output = null;
        try
        {
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(files.SocketPath));
            files.OpenSocket();
            listener.Listen(1);
            var id = await engine.CallAsync("create a container", (client, token) => client.CreateContainerAsync(config, token), CancellationToken.None);
            cancellationToken.ThrowIfCancellationRequested();
            output = await engine.CallAsync("attach to the container", (client, token) => client.AttachAsync(id, token), cancellationToken);
            await engine.CallAsync("start the container", (client, token) => client.StartContainerAsync(id, token), cancellationToken);
            var connection = await engine.CallAsync("let the container wait", (_, token) => listener.AcceptAsync(token).AsTask(), cancellationToken);
            return new WarmContainer(engine, id, image, files, connection, output);
        }
        catch
        {
            output?.Dispose();
            await RemoveAsync(engine, config.Name, files);
            throw;
        }
    }

    /// <summary>Gives it the name of its job's container.</summary>
    public Task RenameAsync(string name, CancellationToken cancellationToken) => _engine.CallAsync(
        "rename the container", (client, token) => client.RenameContainerAsync(Id, name, token), cancellationToken);

    /// <summary>Lets it become a command; returns 0 when that runs, else the error number of why it cannot.</summary>
    /// <exception cref="IOException">It has ended before it was told anything.</exception>
    public async Task<int> BecomeAsync(IReadOnlyList<string> arguments, IReadOnlyList<string> variables, CancellationToken cancellationToken)
    {
        if (!IsWaiting) throw new IOException("The container has ended while it waited.");
        _files.Tell(arguments, variables);
        try
        {
            await _connection.SendAsync(new byte[1], cancellationToken);
            var answer = new byte[sizeof(int)];
            await using var stream = new NetworkStream(_connection, ownsSocket: false);
            var length = await stream.ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false, cancellationToken);
            return length == answer.Length ? BinaryPrimitives.ReadInt32LittleEndian(answer) : 0;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            // It has ended since; what became of the command is told by the container's end.
            return 0;
        }
        finally
        {
            _files.Forget();
        }
    }

    /// <summary>Its output, from its beginning; the caller disposes it.</summary>
    public EngineStream TakeOutput()
    {
        var output = _output!;
        _output = null;
        return output;
    }

    /// <summary>Lets go of it; the container is the caller's.</summary>
    public void Release()
    {
        _connection.Dispose();
        _output?.Dispose();
    }

    /// <summary>Removes it.</summary>
    public async ValueTask DisposeAsync()
    {
        Release();
        await RemoveAsync(_engine, Id, _files);
    }

    private static ContainerConfig ConfigOf(WarmKind kind, string imageId, WarmFiles files)
    {
        var config = kind.Describe();
        return config with
        {
            Name = $"ergon-warm-{Path.GetFileName(files.Directory)}",
            Image = imageId,
            Entrypoint = [WarmFiles.Program],
            Cmd = null,
            Env = null,
            Labels = new Dictionary<string, string> { [ContainerSpec.ExecutorLabel] = config.Labels[ContainerSpec.ExecutorLabel], [Label] = files.Directory },
            HostConfig = config.HostConfig with { Mounts = [new Mount("bind", WarmFiles.Target) { Source = files.Directory, ReadOnly = true }] },
        };
    }

    private static async Task RemoveAsync(EngineConnection engine, string container, WarmFiles files)
    {
        try
        {
            await DockerExecution.RemoveAsync(engine, container, CancellationToken.None);
        }
        catch (ExecutorException)
        {
            // The Engine is away: the clean-up of the next start finds the container by its label.
        }

        files.Delete();
    }
}
