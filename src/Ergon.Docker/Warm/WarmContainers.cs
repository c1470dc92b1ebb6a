using Ergon.Docker.Api;
using Ergon.Drivers;

namespace Ergon.Docker.Warm;

/// <summary>The containers that wait for jobs.</summary>
internal sealed class WarmContainers : IAsyncDisposable
{
    private const string OwnRoot = "/run/ergon-warm";

    private readonly EngineConnection _engine;
    private readonly WarmContainerOptions _options;
    private readonly Lazy<string> _root;
    private readonly WarmPool<WarmKind, WarmContainer> _pool;

    public WarmContainers(EngineConnection engine, WarmContainerOptions options, TimeProvider time)
    {
        (_engine, _options) = (engine, options);
        _root = new Lazy<string>(MakeRoot);
        _pool = new WarmPool<WarmKind, WarmContainer>(MakeAsync, options.MaxIdle, options.IdleTime, time);
    }

    /// <summary>How many wait.</summary>
    public int Waiting => _pool.Waiting;

    /// <summary>Why none could be made the last time.</summary>
    public string? Problem => _pool.Problem;

    /// <summary>Takes a container that waits, of the image as it is now; <see langword="null"/>: none does.</summary>
    public async Task<WarmContainer?> TakeAsync(WarmKind kind, CancellationToken cancellationToken)
    {
        string? now = null;
        try
        {
            return await _pool.TakeAsync(kind, async container => container.IsWaiting && container.Image.Id == (now ??= (await InspectAsync(kind, cancellationToken)).Id))
                ?? (_options.Always ? await _pool.MakeAsync(kind, cancellationToken) : null);
        }
        catch (ExecutorException)
        {
            // The image is gone, or the Engine: whoever makes a container says what is wrong.
            return null;
        }
    }

    public ValueTask DisposeAsync() => _pool.DisposeAsync();

    private async Task<WarmContainer> MakeAsync(WarmKind kind, CancellationToken cancellationToken)
    {
        var image = await InspectAsync(kind, cancellationToken);
        return await WarmContainer.MakeAsync(_engine, kind, image, _root.Value, cancellationToken);
    }

    private Task<ImageDescription> InspectAsync(WarmKind kind, CancellationToken cancellationToken) =>
        _engine.CallAsync("look at the image", (client, token) => client.InspectImageAsync(kind.Image, token), cancellationToken);

    private string MakeRoot()
    {
        try
        {
            var root = Directory.CreateDirectory(_options.Directory ?? OwnRoot).FullName;
            WarmFiles.SetMode(root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return root;
        }
        catch (UnauthorizedAccessException) when (_options.Directory is null)
        {
            return Directory.CreateTempSubdirectory("ergon-warm-").FullName;
        }
    }
}
