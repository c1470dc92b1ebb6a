using System.Net;
using Docker.DotNet;
using Docker.DotNet.Models;
using Ergon.Images;

namespace Ergon.Docker;

/// <summary>Pulls images. Executions that need the same one at the same time share one pull, which ends when the last of them gives up.</summary>
internal sealed class ImagePuller(EngineConnection engine, RegistryCredentialStore credentials)
{
    private readonly SharedPreparations<(string Reference, string? Platform), bool> _pulls = new();

    /// <exception cref="ExecutorException"><see cref="ErrorCode.ImageUnavailable"/>, <see cref="ErrorCode.BackendUnavailable"/>.</exception>
    public Task PullAsync(ImageReference reference, string? platform, Action<PrepareProgress> report, CancellationToken cancellationToken) =>
        _pulls.RunAsync((reference.ToString(), platform), report, (progress, token) => PullOnceAsync(reference, platform, progress, token), pulled => pulled, cancellationToken);

    private async Task<bool> PullOnceAsync(ImageReference reference, string? platform, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        var step = $"pulling {reference}";
        report(new PrepareProgress(step));
        var auth = ToAuth(await credentials.FindAsync(reference.Registry, cancellationToken));
        var progress = new PullProgress(step, report);
        var client = engine.Open();
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
        return progress.Error is { } error ? throw Refused(reference, platform, error, null, null) : true;
    }

    private static AuthConfig ToAuth(FoundCredential? found) => found is not { } known ? new AuthConfig() : new AuthConfig
    {
        Username = known.Credential.Username,
        Password = known.Credential.Password,
        IdentityToken = known.Credential.IdentityToken,
        ServerAddress = known.Server,
    };

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
