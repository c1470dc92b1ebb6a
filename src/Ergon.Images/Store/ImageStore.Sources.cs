using Ergon.Images.Files;
using Ergon.Images.Sources;

namespace Ergon.Images.Store;

/// <content>Where images come from.</content>
internal sealed partial class ImageStore
{
    private async Task<ImageLease> FindAsync(ImageSource source, PullPolicy policy, Platform platform, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        switch (source.Kind)
        {
            case ImageSourceKind.OciDirectory or ImageSourceKind.OciArchive or ImageSourceKind.DockerArchive:
                await using (var content = await OpenFilesAsync(source, platform, cancellationToken)) return await LeaseAsync(source, content, report, cancellationToken);
            case ImageSourceKind.DockerDaemon:
                return await FromEngineAsync(source, source.Id ?? source.Reference!.ToString(), platform, report, cancellationToken)
                    ?? throw Unavailable(source.Text, $"is not on the Docker Engine for {platform}. Pull it there ('docker pull'), or take it from the registry (docker://REFERENCE).", null);
            case ImageSourceKind.RootDirectory:
                return await FromDirectoryAsync(source, report, cancellationToken);
            case ImageSourceKind.Registry:
                return await FromRegistryAsync(source, policy, platform, report, cancellationToken);
            default:
                // To ask the registry every time is what this policy is for.
                if (policy != PullPolicy.Always && await FromEngineIfItAnswersAsync(source, platform, report, cancellationToken) is { } lease) return lease;
                return await FromRegistryAsync(source, policy, platform, report, cancellationToken);
        }
    }

    private async Task<ImageLease> LeaseAsync(ImageSource source, ImageContent content, Action<PrepareProgress> report, CancellationToken cancellationToken) =>
        TryLease(content.Digest) ?? await BuildAsync(source, content, report, cancellationToken);

    private async Task<ImageContent> OpenFilesAsync(ImageSource source, Platform platform, CancellationToken cancellationToken)
    {
        var files = await LocalFilesAsync(source, cancellationToken);
        try
        {
            return source.Kind == ImageSourceKind.DockerArchive
                ? await DockerArchive.OpenAsync(files, source.Reference, platform, cancellationToken)
                : await OciLayout.OpenAsync(files, source.Text, source.Tag, platform, cancellationToken);
        }
        catch
        {
            await files.DisposeAsync();
            throw;
        }
    }

    private async Task<IImageFiles> LocalFilesAsync(ImageSource source, CancellationToken cancellationToken)
    {
        var path = source.Path!;
        try
        {
            if (source.Kind != ImageSourceKind.OciDirectory) return await ArchiveFiles.OpenAsync(path, LocalFile.Open(path), _cache.NewTemporary, _options.MaxImageBytes, cancellationToken);
            return Directory.Exists(path) ? new DirectoryFiles(path) : throw new DirectoryNotFoundException($"There is no directory {path}.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unavailable(source.Text, $"cannot be read: {e.Message}", e);
        }
    }

    private async Task<ImageLease> FromDirectoryAsync(ImageSource source, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        var (path, options) = (source.Path!, new DirectoryImageOptions { IsRoot = true, MaxBytes = _options.MaxImageBytes });
        if (_layers is not null) return OfDirectory(source, Path.TrimEndingDirectorySeparator(path));
        var fingerprint = await FingerprintAsync(source, options, cancellationToken);
        if (_cache.TryLease(fingerprint) is { } known) return known;
        using var making = await Linux.FileLock.TakeAsync(_cache.LockPath(fingerprint), cancellationToken);
        if (_cache.TryLease(fingerprint) is { } made) return made;
        var step = BuildStep(source.Text);
        report(new PrepareProgress(step));
        return await BuildAsync(source.Text, fingerprint, new ImageConfiguration(), async temporary =>
        {
            await DirectoryImage.BuildAsync(path, temporary, options, Throttle(step, "Writing", 0, report), cancellationToken);
            if (await FingerprintAsync(source, options, cancellationToken) != fingerprint)
                throw new InvalidDataException($"{path} changed while it was read. Let nobody write into it until the execution has started.");
        });
    }

    // It is a layer as it is.
    private static ImageLease OfDirectory(ImageSource source, string path)
    {
        try
        {
            return new ImageLease(path, source.Text, new ImageConfiguration(), Linux.Descriptors.Open(path, Linux.Libc.ReadOnly | Linux.Libc.DirectoryOnly)) { Layers = [path] };
        }
        catch (IOException e)
        {
            throw Unavailable(source.Text, $"cannot be read: {e.Message}", e);
        }
    }

    private static async Task<string> FingerprintAsync(ImageSource source, DirectoryImageOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await DirectoryImage.FingerprintAsync(source.Path!, options, cancellationToken);
        }
        catch (IOException e)
        {
            throw Unavailable(source.Text, $"cannot be read: {e.Message}", e);
        }
    }

    private async Task<ImageLease?> FromEngineIfItAnswersAsync(ImageSource source, Platform platform, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        try
        {
            return await FromEngineAsync(source, source.Reference!.ToString(), platform, report, cancellationToken);
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.BackendUnavailable && e.InnerException is not System.ComponentModel.Win32Exception)
        {
            _logger.EngineSkipped(source.Text, e.Message);
            return null;
        }
    }

    private async Task<ImageLease?> FromEngineAsync(ImageSource source, string name, Platform platform, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        if (await _engine.FindAsync(name, cancellationToken) is not { } image) return null;
        if (Platform.From(image.Os, image.Architecture, image.Variant) is { } its && platform.Suits(its) == 0) return null;

        // The id is the configuration's digest in most Engines; in those that keep images in containerd it is another one.
        var remembered = $"engine {image.Id}|{platform}";
        if ((TryLease(image.Id) ?? Recall(remembered)) is { } lease) return lease;
        var (temporary, step) = (_cache.NewTemporary(), $"copying {source.Text} from the Docker Engine");
        try
        {
            report(new PrepareProgress(step));
            await _engine.SaveAsync(image, temporary, Throttle(step, "Copying", 0, report), cancellationToken);
            var files = await ArchiveFiles.OpenAsync(source.Text, LocalFile.Open(temporary), _cache.NewTemporary, _options.MaxImageBytes, cancellationToken);
            await using var content = await OpenSavedAsync(files, platform, cancellationToken);
            var built = await LeaseAsync(source, content, report, cancellationToken);
            _cache.Remember(remembered, content.Digest);
            return built;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static async Task<ImageContent> OpenSavedAsync(ArchiveFiles files, Platform platform, CancellationToken cancellationToken)
    {
        try
        {
            return await DockerArchive.OpenAsync(files, null, platform, cancellationToken);
        }
        catch
        {
            await files.DisposeAsync();
            throw;
        }
    }

    private async Task<ImageLease> FromRegistryAsync(ImageSource source, PullPolicy policy, Platform platform, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        var reference = source.Reference!;
        var remembered = $"{reference}|{platform}";

        // What a digest stands for never changes.
        if ((policy != PullPolicy.Always || reference.Digest is not null) && Recall(remembered) is { } lease) return lease;
        if (policy == PullPolicy.Never)
            throw Unavailable(source.Text, $"is not in the image store for {platform}, and the pull policy is 'never'. Use the policy 'missing'.", null);
        await using var content = await _registry.OpenAsync(reference, platform, cancellationToken);
        var made = await LeaseAsync(source, content, report, cancellationToken);
        _cache.Remember(remembered, content.Digest);
        return made;
    }

    private ImageLease? Recall(string name) => _cache.Recall(name) is { } digest ? TryLease(digest) : null;
}
