using Docker.DotNet;
using Docker.DotNet.Models;

namespace Ergon.Docker;

/// <summary>
/// The connection to one Engine: found when first needed, its API version negotiated, every call with a deadline and with errors that
/// say what to do.
/// </summary>
internal sealed class EngineConnection(DockerOptions options, TimeProvider time) : IDisposable
{
    // The newest version whose meaning this driver knows; an older Engine is spoken to in its own.
    private static readonly System.Version Newest = new(1, 47);
    private static readonly System.Version Oldest = new(1, 40);

    private readonly SemaphoreSlim _opening = new(1, 1);
    private DockerClient? _client;
    private SystemInfoResponse? _info;

    /// <summary>The Engine's address, for messages.</summary>
    public string Address { get; private set; } = options.Endpoint?.ToString() ?? "the default Docker endpoint";

    /// <summary>The client, for streams that live as long as their execution.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>.</exception>
    public async ValueTask<DockerClient> OpenAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _client) is { } open) return open;
        await _opening.WaitAsync(cancellationToken);
        try
        {
            if (_client is { } opened) return opened;
            var client = await NegotiateAsync(cancellationToken);
            Volatile.Write(ref _client, client);
            return client;
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <summary>What the Engine says of itself; asked once.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>.</exception>
    public async ValueTask<SystemInfoResponse> GetInfoAsync(CancellationToken cancellationToken) =>
        _info ??= await CallAsync("describe itself", (client, token) => client.System.GetSystemInfoAsync(token), cancellationToken);

    /// <summary>Makes a call with the call timeout.</summary>
    /// <exception cref="ExecutorException">What <see cref="EngineErrors"/> makes of the failure.</exception>
    public async Task<T> CallAsync<T>(string what, Func<DockerClient, CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.CallTimeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await call(await OpenAsync(linked.Token), linked.Token);
        }
        catch (Exception e) when (e is not ExecutorException && !cancellationToken.IsCancellationRequested)
        {
            throw EngineErrors.Translate(e, what, Address, deadline.IsCancellationRequested ? options.CallTimeout : null);
        }
    }

    /// <inheritdoc cref="CallAsync{T}"/>
    public Task CallAsync(string what, Func<DockerClient, CancellationToken, Task> call, CancellationToken cancellationToken) =>
        CallAsync(what, async (client, token) => { await call(client, token); return true; }, cancellationToken);

    public void Dispose()
    {
        _client?.Dispose();
        _opening.Dispose();
    }

    private async Task<DockerClient> NegotiateAsync(CancellationToken cancellationToken)
    {
        var endpoint = FindEndpoint();
        Address = endpoint.ToString();
        using var unversioned = Builder(endpoint).Build();
        var version = await unversioned.System.GetVersionAsync(cancellationToken);
        if (!System.Version.TryParse(version.APIVersion, out var offered) || offered < Oldest)
        {
            throw new ExecutorException(
                ErrorCode.BackendUnavailable,
                $"The Docker Engine at {Address} speaks API {version.APIVersion}; {Oldest} or newer is needed. Install Docker Engine 19.03 or newer.");
        }

        return Builder(endpoint).WithApiVersion(offered < Newest ? offered : Newest).Build();
    }

    private DockerClientBuilder Builder(Uri endpoint)
    {
        // The deadlines are ours: one that also covers streams and waiting would cut them off.
        var builder = new DockerClientBuilder().WithEndpoint(endpoint).WithTimeout(Timeout.InfiniteTimeSpan);
        return endpoint.Scheme is "tcp" or "https" && TlsAuthentication.Find(options) is { } tls ? builder.WithAuthProvider(tls) : builder;
    }

    private Uri FindEndpoint()
    {
        try
        {
            var endpoint = options.Endpoint ?? new DockerConfig().GetEndpoint();
            if (endpoint.Scheme is "unix" or "npipe" or "tcp" or "http" or "https") return endpoint;
            throw new ExecutorException(
                ErrorCode.BackendUnavailable,
                $"The Docker endpoint {endpoint} uses '{endpoint.Scheme}', which is not supported. Forward its socket (ssh -L) and name it as unix:// or tcp://.");
        }
        catch (Exception e) when (e is not ExecutorException)
        {
            throw new ExecutorException(
                ErrorCode.BackendUnavailable,
                $"The Docker endpoint cannot be found: {e.Message} Set DOCKER_HOST, or repair the Docker context ('docker context ls').",
                innerException: e);
        }
    }
}
