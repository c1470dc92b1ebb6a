using Ergon.Docker.Api;

namespace Ergon.Docker;

/// <summary>
/// The connection to one Engine: found when first needed, every call with a deadline and with errors that say what to do.
/// </summary>
internal sealed class EngineConnection : IDisposable
{
    private readonly DockerOptions _options;
    private readonly TimeProvider _time;
    private readonly Lock _opening = new();
    private EngineClient? _client;

    public EngineConnection(DockerOptions options, TimeProvider time)
    {
        (_options, _time) = (options, time);
        Address = options.Endpoint?.ToString() ?? "the default Docker endpoint";
        Return = new EngineReturn(this, options.ReconnectTimeout, time);
    }

    /// <summary>The Engine's address, for messages.</summary>
    public string Address { get; private set; }

    /// <summary>Tells those who lost the Engine when it is back.</summary>
    public EngineReturn Return { get; }

    /// <summary>The client, for streams that live as long as their execution.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/> when there is no endpoint that could be called.</exception>
    public EngineClient Open()
    {
        if (Volatile.Read(ref _client) is { } open) return open;
        lock (_opening)
        {
            if (_client is { } opened) return opened;
            var endpoint = FindEndpoint();
            Address = endpoint.ToString();
            var tls = endpoint.Scheme is "tcp" or "https" ? TlsAuthentication.Find(_options) : null;
            var client = new EngineClient(new EngineDialer(endpoint, tls), Address);
            Volatile.Write(ref _client, client);
            return client;
        }
    }

    /// <summary>Whether an Engine has ever answered; before, it has been asked for nothing.</summary>
    public bool HasAnswered => Volatile.Read(ref _client)?.HasAnswered ?? false;

    /// <summary>Connects for those who call later; what fails is tried again by them.</summary>
    public async Task TryConnectAsync(CancellationToken cancellationToken)
    {
        try
        {
            await CallAsync("answer", (client, token) => client.ConnectAsync(token), cancellationToken);
        }
        catch (Exception e) when (e is ExecutorException or OperationCanceledException)
        {
            // The first real call reports it.
        }
    }

    /// <summary>Makes a call with the call timeout.</summary>
    /// <exception cref="ExecutorException">What <see cref="EngineErrors"/> makes of the failure.</exception>
    public async Task<T> CallAsync<T>(string what, Func<EngineClient, CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_options.CallTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await call(Open(), linked.Token);
        }
        catch (Exception e) when (e is not ExecutorException && !cancellationToken.IsCancellationRequested)
        {
            throw EngineErrors.Translate(e, what, Address, deadline.IsCancellationRequested ? _options.CallTimeout : null);
        }
    }

    /// <inheritdoc cref="CallAsync{T}"/>
    public Task CallAsync(string what, Func<EngineClient, CancellationToken, Task> call, CancellationToken cancellationToken) =>
        CallAsync(what, async (client, token) => { await call(client, token); return true; }, cancellationToken);

    public void Dispose()
    {
        Return.Dispose();
        _client?.Dispose();
    }

    private Uri FindEndpoint()
    {
        var endpoint = _options.Endpoint ?? DockerContext.FindEndpoint();
        if (endpoint.Scheme is "unix" or "npipe" or "tcp" or "http" or "https") return endpoint;
        throw new ExecutorException(
            ErrorCode.BackendUnavailable,
            $"The Docker endpoint {endpoint} uses '{endpoint.Scheme}', which is not supported. Forward its socket (ssh -L) and name it as unix:// or tcp://.");
    }
}
