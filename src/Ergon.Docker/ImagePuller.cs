using System.Net;
using Ergon.Docker.Api;
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
        PullError? error = null;
        var client = engine.Open();
        try
        {
            await foreach (var message in client.PullAsync(reference.Name, reference.Version, platform, auth, cancellationToken))
            {
                error ??= message.Error;
                report(new PrepareProgress(step, message.Id, message.Status, message.Progress?.Current, message.Progress?.Total is > 0 ? message.Progress.Total : null));
            }
        }
        catch (EngineApiException e)
        {
            throw Refused(reference, platform, e.Message, e.Status, e);
        }
        catch (Exception e) when (EngineErrors.IsConnectionLoss(e) && !cancellationToken.IsCancellationRequested)
        {
            throw EngineErrors.Translate(e, $"pull {reference}", engine.Address);
        }

        // A pull that fails after it began does not fail the call: the error is the last message.
        return error is null ? true : throw Refused(reference, platform, error.Message ?? "an error without words", null, null);
    }

    private static RegistryAuth? ToAuth(FoundCredential? found) => found is not { } known ? null : new RegistryAuth
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
}
