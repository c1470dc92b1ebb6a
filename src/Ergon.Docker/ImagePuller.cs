using System.Net;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace Ergon.Docker;

/// <summary>Pulls images. Executions that need the same one at the same time share one pull, which ends when the last of them gives up.</summary>
internal sealed class ImagePuller(EngineConnection engine, RegistryCredentialStore credentials)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Reference, string? Platform), SharedPull> _pulls = [];

    /// <exception cref="ExecutorException"><see cref="ErrorCode.ImageUnavailable"/>, <see cref="ErrorCode.BackendUnavailable"/>.</exception>
    public async Task PullAsync(ImageReference reference, string? platform, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        var key = (reference.ToString(), platform);
        SharedPull pull;
        lock (_lock)
        {
            if (!_pulls.TryGetValue(key, out pull!) || !pull.TryJoin(report))
            {
                pull = new SharedPull(report);
                _pulls[key] = pull;
                pull.Begin((progress, token) => PullOnceAsync(reference, platform, progress, token));
            }
        }

        try
        {
            await pull.Completion.WaitAsync(cancellationToken);
        }
        finally
        {
            lock (_lock)
            {
                if (pull.Leave(report) && _pulls.GetValueOrDefault(key) == pull) _pulls.Remove(key);
            }
        }
    }

    private async Task PullOnceAsync(ImageReference reference, string? platform, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        var step = $"pulling {reference}";
        report(new PrepareProgress(step));
        var auth = await credentials.FindAsync(reference.Registry, cancellationToken);
        var progress = new PullProgress(step, report);
        var client = await engine.OpenAsync(cancellationToken);
        try
        {
            var parameters = new ImagesCreateParameters { FromImage = reference.Name, Tag = reference.Version, Platform = platform };
            await client.Images.CreateImageAsync(parameters, auth, progress, cancellationToken);
        }
        catch (DockerApiException e)
        {
            throw Refused(reference, platform, EngineErrors.MessageOf(e), e.StatusCode, e);
        }
        catch (Exception e) when (EngineErrors.IsConnectionLoss(e) && !cancellationToken.IsCancellationRequested)
        {
            throw EngineErrors.Translate(e, $"pull {reference}", engine.Address);
        }

        // A pull that fails after it began does not fail the call: the error is the last message.
        if (progress.Error is { } error) throw Refused(reference, platform, error, null, null);
    }

    private static ExecutorException Refused(ImageReference reference, string? platform, string message, HttpStatusCode? status, Exception? inner)
    {
        bool Says(string text) => message.Contains(text, StringComparison.OrdinalIgnoreCase);
        var why = message switch
        {
            _ when Says("no matching manifest") || Says("does not match the specified platform") =>
                $"it has no variant for {platform ?? "the Engine's platform"}. Ask for a platform that it has (engine_spec.params.platform), or for another tag",
            _ when Says("no basic auth credentials") || Says("unauthorized") || Says("authentication required") || status == HttpStatusCode.Unauthorized =>
                $"the registry {reference.Registry} asks for a login. Log in ('docker login {reference.Registry}'), or give credentials in the executor's options",
            _ when Says("denied") || status == HttpStatusCode.Forbidden =>
                $"the registry {reference.Registry} denies access, or it does not exist there. Check its name, and log in ('docker login {reference.Registry}') if it is private",
            _ when Says("manifest unknown") || Says("not found") || Says("does not exist") || Says("name unknown") || status == HttpStatusCode.NotFound =>
                $"the registry {reference.Registry} does not have it. Check name and tag",
            _ when Says("dial tcp") || Says("no such host") || Says("connection refused") || Says("i/o timeout") || Says("Client.Timeout") || Says("TLS handshake") =>
                $"the registry {reference.Registry} cannot be reached from the Engine. Check its name, the network and the Engine's proxy",
            _ => "the pull failed",
        };
        return new ExecutorException(ErrorCode.ImageUnavailable, $"The image {reference} cannot be had: {why}. (The Engine says: {message})", innerException: inner);
    }

    /// <summary>Passes progress on at once and in order, and keeps the error that the stream may end with.</summary>
    private sealed class PullProgress(string step, Action<PrepareProgress> report) : IProgress<JSONMessage>
    {
        public string? Error { get; private set; }

        public void Report(JSONMessage value)
        {
            if (value.Error is { } error) Error = error.Message ?? "an error without words";
            else report(new PrepareProgress(step, value.ID, value.Status, value.Progress?.Current, value.Progress?.Total is > 0 ? value.Progress.Total : null));
        }
    }
}

/// <summary>One pull and those who wait for it.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "A source without timer and wait handle holds nothing, and the pull may outlive everyone who waits for it.")]
internal sealed class SharedPull
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _abandoned = new();
    private Action<PrepareProgress>[] _reports;

    public SharedPull(Action<PrepareProgress> first) => _reports = [first];

    public Task Completion { get; private set; } = Task.CompletedTask;

    public void Begin(Func<Action<PrepareProgress>, CancellationToken, Task> pull) => Completion = Task.Run(() => pull(Report, _abandoned.Token));

    /// <summary>Joins a pull that is still going on and has somebody waiting.</summary>
    public bool TryJoin(Action<PrepareProgress> report)
    {
        lock (_lock)
        {
            if (Completion.IsCompleted || _abandoned.IsCancellationRequested) return false;
            _reports = [.. _reports, report];
            return true;
        }
    }

    /// <summary>Leaves; the last to leave a pull that still goes on ends it.</summary>
    /// <returns>Whether nobody waits for it any more.</returns>
    public bool Leave(Action<PrepareProgress> report)
    {
        lock (_lock)
        {
            var index = Array.IndexOf(_reports, report);
            if (index >= 0) _reports = [.. _reports[..index], .. _reports[(index + 1)..]];
            if (_reports.Length > 0) return false;
            _abandoned.Cancel();
            return true;
        }
    }

    private void Report(PrepareProgress progress)
    {
        Action<PrepareProgress>[] reports;
        lock (_lock) reports = _reports;
        foreach (var report in reports) report(progress);
    }
}
