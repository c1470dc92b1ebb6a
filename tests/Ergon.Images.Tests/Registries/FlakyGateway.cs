using System.Net;

namespace Ergon.Images.Tests.Registries;

/// <summary>Answers a number of requests with an error that passes, and redirects the others to a registry.</summary>
internal sealed class FlakyGateway : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly Task _serving;
    private int _requests;

    public FlakyGateway(string registry, int failures)
    {
        using (var free = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Name = $"127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}";
        }

        _listener.Prefixes.Add($"http://{Name}/");
        _listener.Start();
        _serving = ServeAsync(registry, failures);
    }

    /// <summary>Host and port.</summary>
    public string Name { get; }

    public int Requests => _requests;

    public async ValueTask DisposeAsync()
    {
        _listener.Close();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task ServeAsync(string registry, int failures)
    {
        while (true)
        {
            var context = await _listener.GetContextAsync();
            if (Interlocked.Increment(ref _requests) <= failures) context.Response.StatusCode = 503;
            else context.Response.Redirect($"http://{registry}{context.Request.Url!.PathAndQuery}");
            context.Response.Close();
        }
    }
}
