using System.Net.Sockets;
using System.Text;

namespace Ergon.Firecracker.StandIn.Machine;

/// <summary>
/// The host's side of the vsock, in front of the virtio-serial port that stands in for it in the guest: it has one listener, which
/// listens while it has the port open, and takes a new connection in place of the former one.
/// </summary>
internal sealed class VsockBridge(Socket listener, string path, string agentPath)
{
    private const uint AgentPort = 5252;
    private const uint KnockPort = 5253;
    private const int MostLine = 32;

    private readonly SemaphoreSlim _one = new(1);
    private volatile bool _guestListens;
    private volatile bool _guestIsDeaf;
    private int _lastPort = 0x40000000 - 1;
    private Socket? _current;

    public async Task ServeAsync()
    {
        while (true) _ = ServeAsync(await listener.AcceptAsync());
    }

    /// <summary>The guest has opened its port, or closed it.</summary>
    public void OnPortChanged(bool isOpen)
    {
        _guestListens = isOpen;
        if (isOpen) _ = KnockAsync();
    }

    /// <summary>The guest has its port open since before the machine was loaded.</summary>
    public void OnGuestListens() => _guestListens = true;

    /// <summary>From now on nothing of the host reaches the guest: no connection is answered, and what is sent on one is not read.</summary>
    public void Deafen() => _guestIsDeaf = true;

    // As the guest's agent would by a connection of its own.
    private async Task KnockAsync()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint($"{path}_{KnockPort}"));
        }
        catch (SocketException)
        {
            // Nobody waits for it.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var host = client;
        try
        {
            // Whatever is wrong, the connection is closed without a word.
            if (!await IsForAgentAsync(host) || !_guestListens) return;
            if (_guestIsDeaf) await ForeverAsync();
            Interlocked.Exchange(ref _current, host)?.Dispose();
            await _one.WaitAsync();
            try
            {
                await BridgeAsync(host);
            }
            finally
            {
                _one.Release();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            // One of the two is gone, and so is the connection.
        }
    }

    private async Task BridgeAsync(Socket host)
    {
        using var guest = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await guest.ConnectAsync(new UnixDomainSocketEndPoint(agentPath));
        await host.SendAsync(Encoding.ASCII.GetBytes($"OK {Interlocked.Increment(ref _lastPort)}\n"));
        await Task.WhenAny(CopyAsync(host, guest, () => _guestIsDeaf), CopyAsync(guest, host, () => false));
        host.Dispose();
    }

    private static async Task CopyAsync(Socket from, Socket to, Func<bool> isDeaf)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            // The end of the host's side is not seen either.
            while (await from.ReceiveAsync(buffer) is var count && (count > 0 || isDeaf()))
            {
                if (isDeaf()) await ForeverAsync();
                for (var sent = 0; sent < count;) sent += await to.SendAsync(buffer.AsMemory(sent, count - sent));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // One of the two is gone.
        }
    }

    private static Task ForeverAsync() => new TaskCompletionSource().Task;

    private static async Task<bool> IsForAgentAsync(Socket host)
    {
        var line = new byte[MostLine];
        for (var length = 0; length < line.Length; length++)
        {
            if (await host.ReceiveAsync(line.AsMemory(length, 1)) == 0) return false;
            if (line[length] == '\n') return Encoding.ASCII.GetString(line, 0, length) == $"CONNECT {AgentPort}";
        }

        return false;
    }
}
