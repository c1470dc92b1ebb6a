using System.Runtime.Versioning;
using Ergon.Images.Layers;
using Ergon.Images.Registry;
using Ergon.Images.Sources;
using Ergon.Images.Tar;
using Microsoft.Extensions.Logging;

namespace Ergon.Images.Store;

/// <summary>
/// Images as read-only block images (squashfs), one for each content, or as the directories of their layers, wherever they come from. Who
/// needs the same one at the same time waits for one piece of work, also across processes.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed partial class ImageStore : IAsyncDisposable
{
    private readonly ImageStoreOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly ImageCache _cache;
    private readonly LayerStore? _layers;
    private readonly EngineImages _engine;
    private readonly RegistryClient _client;
    private readonly RegistryImages _registry;
    private readonly SharedPreparations<(string Image, PullPolicy Policy, Platform Platform), ImageLease> _preparations = new();

    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>: the directory cannot be used.</exception>
    public ImageStore(ImageStoreOptions options, ILogger logger, TimeProvider time)
    {
        (_options, _logger, _time) = (options, logger, time);
        try
        {
            _cache = new ImageCache(options.Directory, options.MaxBytes, logger, time);
            if (options.AsLayers) _layers = new LayerStore(_cache, options, logger, time);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StorageFailed(e);
        }

        _engine = new EngineImages(options.DockerHost, time);
        _client = new RegistryClient(new RegistryCredentialStore(options.Credentials, options.ConfigDirectory), options.InsecureRegistries, time);
        _registry = new RegistryImages(_client, _cache, options.MaxImageBytes);
    }

    /// <summary>Has an image ready to be booted from.</summary>
    /// <param name="image">The image; see <see cref="ImageSource"/>.</param>
    /// <param name="policy">Whether to ask the registry. What comes from a path is always looked at.</param>
    /// <param name="platform">Such as <c>linux/arm64</c>; <see langword="null"/> is this machine's.</param>
    /// <param name="report">Takes progress; returns at once.</param>
    /// <param name="cancellationToken">Gives up. The work goes on while others wait for it.</param>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ImageUnavailable"/>, <see cref="ErrorCode.BackendUnavailable"/> (a program is missing),
    /// <see cref="ErrorCode.StorageFailed"/>.
    /// </exception>
    public async ValueTask<ImageLease> GetAsync(string image, PullPolicy policy, string? platform, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        if (!ImageSource.TryParse(image, out var source, out var problem)) throw Unavailable(image, problem, null);
        var wanted = Platform.Host;
        if (platform is not null && !Platform.TryParse(platform, out wanted!)) throw Unavailable(image, $"cannot be had for '{platform}', which is not a platform; give os/architecture[/variant], such as linux/amd64.", null);
        return await _preparations.RunAsync(
            (image, policy, wanted),
            report,
            (progress, token) => PrepareAsync(source, policy, wanted, progress, token),
            shared => shared.Copy(),
            cancellationToken);
    }

    /// <summary>Has a directory of the host ready to be booted from; it is looked at every time, and read when it has changed.</summary>
    /// <param name="path">The directory, which is a root file system.</param>
    /// <param name="report">Takes progress; returns at once.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ExecutorException">As of <see cref="GetAsync"/>.</exception>
    public ValueTask<ImageLease> FromDirectoryAsync(string path, Action<PrepareProgress> report, CancellationToken cancellationToken) =>
        GetAsync("rootfs:" + path, PullPolicy.Missing, null, report, cancellationToken);

    public ValueTask DisposeAsync()
    {
        _engine.Dispose();
        _client.Dispose();
        _cache.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<ImageLease> PrepareAsync(ImageSource source, PullPolicy policy, Platform platform, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        try
        {
            var lease = await FindAsync(source, policy, platform, report, cancellationToken);
            Evict();
            return lease;
        }
        catch (InvalidDataException e)
        {
            throw Unavailable(source.Text, $"cannot be used. {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StorageFailed(e);
        }
    }

    // An image that is ready is ready, whatever is wrong with the others.
    private void Evict()
    {
        try
        {
            _cache.Evict();
            _layers?.Evict();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _logger.EvictionFailed(_options.Directory, e);
        }
    }

    private ImageLease? TryLease(string digest) => _layers is null ? _cache.TryLease(digest) : _layers.TryLease(digest);

    private async Task<ImageLease> BuildAsync(ImageSource source, ImageContent content, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        if (_layers is not null) return await _layers.MakeAsync(content, $"unpacking {source.Text}", report, cancellationToken);

        // Others may make the same image under another name, or in another process.
        using var making = await Linux.FileLock.TakeAsync(_cache.LockPath(content.Digest), cancellationToken);
        if (_cache.TryLease(content.Digest) is { } made) return made;
        await content.FetchAsync(report, cancellationToken);
        report(new PrepareProgress(BuildStep(source.Text)));
        var limits = TarLimits.ForImages with { MaxBytes = _options.MaxImageBytes };
        var merged = await MergedLayers.IndexAsync(content.Layers, limits, cancellationToken);
        var total = merged.ContentSize;
        if (total > _options.MaxImageBytes) throw new InvalidDataException($"Unpacked it has {total} bytes; at most {_options.MaxImageBytes} are taken.");
        var step = BuildStep(source.Text);
        return await BuildAsync(
            source.Text,
            content.Digest,
            content.Configuration,
            temporary => SquashfsBuilder.BuildAsync(temporary, (writer, token) => merged.WriteAsync(writer, Throttle(step, "Writing", total, report), token), cancellationToken));
    }

    private async Task<ImageLease> BuildAsync(string image, string digest, ImageConfiguration configuration, Func<string, Task> build)
    {
        var (began, temporary) = (_time.GetTimestamp(), _cache.NewTemporary());
        try
        {
            await build(temporary);
            var lease = _cache.Commit(temporary, digest, configuration);
            _logger.Built(lease.Path, image, (long)_time.GetElapsedTime(began).TotalMilliseconds);
            return lease;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static string BuildStep(string image) => $"making a block image of {image}";

    // Progress is for people: once for every MiB is enough.
    private static Action<long> Throttle(string step, string status, long total, Action<PrepareProgress> report)
    {
        var next = 0L;
        return written =>
        {
            if (written < next && written != total) return;
            next = written + (1 << 20);
            report(new PrepareProgress(step, null, status, written, total > 0 ? total : null));
        };
    }

    private ExecutorException StorageFailed(Exception e) => new(
        ErrorCode.StorageFailed, $"The image store {_options.Directory} cannot be used: {e.Message} Check its permissions and its free space.", innerException: e);

    private static ExecutorException Unavailable(string image, string why, Exception? inner) => new(ErrorCode.ImageUnavailable, $"The image '{image}' {why}", innerException: inner);
}
