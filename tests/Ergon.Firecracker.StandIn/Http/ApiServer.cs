using System.Net.Sockets;

namespace Ergon.Firecracker.StandIn.Http;

/// <summary>Serves the API on a Unix socket, one request at a time, as the real one does.</summary>
internal sealed class ApiServer(Func<HttpRequest, Task<HttpAnswer>> handle) : IDisposable
{
    private const int MostConnections = 10;

    private readonly SemaphoreSlim _handling = new(1);
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    /// <summary>Makes the socket.</summary>
    /// <exception cref="SocketException">There is a file of that name, perhaps of a former process: the real one does not remove it either.</exception>
    public void Listen(string path)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(MostConnections);
    }

    public async Task ServeAsync()
    {
        while (true) _ = ServeAsync(await _listener.AcceptAsync());
    }

    private async Task ServeAsync(Socket client)
    {
        await using var stream = new NetworkStream(client, ownsSocket: true);
        var reader = new HttpReader(stream);
        try
        {
            while (await ReadAsync(reader, stream) is { } request)
            {
                await _handling.WaitAsync();
                try
                {
                    await stream.WriteAsync((await handle(request)).ToBytes());
                }
                finally
                {
                    _handling.Release();
                }
            }
        }
        catch (IOException)
        {
            // The client is gone.
        }
    }

    private static async Task<HttpRequest?> ReadAsync(HttpReader reader, NetworkStream stream)
    {
        try
        {
            return await reader.ReadAsync();
        }
        catch (HttpParseException e)
        {
            // Where the next request begins is not known.
            await stream.WriteAsync(HttpAnswer.Unparsed(e.Message).ToBytes());
            return null;
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        _handling.Dispose();
    }
}
