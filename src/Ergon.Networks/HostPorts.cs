using System.Net;
using System.Net.Sockets;

namespace Ergon.Networks;

/// <summary>
/// Host ports that lead to guests. The kernel's translation needs no listener, but a socket is held on each port all the same: it finds
/// out whether the port is taken, and tells everybody else that it is.
/// </summary>
internal sealed class HostPorts : IDisposable
{
    private const int Attempts = 32;

    private readonly Dictionary<string, List<Socket>> _held = [];

    /// <summary>Reserves all ports of a network, or none.</summary>
    /// <exception cref="ExecutorException">One of them is taken.</exception>
    public IReadOnlyList<PortMapping> Reserve(string owner, IReadOnlyList<PortMapping> ports, IReadOnlyList<NetworkRecord> others)
    {
        var reserved = new List<PortMapping>();
        var sockets = new List<Socket>();
        try
        {
            foreach (var port in ports)
            {
                var (socket, number) = Reserve(port, others);
                sockets.Add(socket);
                reserved.Add(port with { HostIp = AddressOf(port).ToString(), HostPort = number });
            }
        }
        catch
        {
            sockets.ForEach(s => s.Dispose());
            throw;
        }

        lock (_held) _held[owner] = sockets;
        return reserved;
    }

    /// <summary>Holds the ports of a network that a former process reserved, as far as nobody took them meanwhile.</summary>
    public void Hold(string owner, IReadOnlyList<PortMapping> ports)
    {
        lock (_held)
        {
            if (_held.ContainsKey(owner)) return;
            var sockets = new List<Socket>();
            foreach (var port in ports)
            {
                try
                {
                    sockets.Add(Bind(AddressOf(port), port.HostPort, port.Protocol));
                }
                catch (SocketException)
                {
                    // The translation takes precedence over whoever listens there now.
                }
            }

            _held[owner] = sockets;
        }
    }

    public void Release(string owner)
    {
        List<Socket>? sockets;
        lock (_held) _held.Remove(owner, out sockets);
        sockets?.ForEach(s => s.Dispose());
    }

    public void Dispose()
    {
        lock (_held)
        {
            foreach (var socket in _held.Values.SelectMany(s => s)) socket.Dispose();
            _held.Clear();
        }
    }

    private static (Socket Socket, int Number) Reserve(PortMapping port, IReadOnlyList<NetworkRecord> others)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (port.HostPort > 0 && OwnerOf(port, port.HostPort, others) is { } taker) throw Taken(port, $"leads to the execution '{taker.ExecutionId}' of the executor '{taker.ExecutorId}'");
            var socket = Bind(port);
            var number = ((IPEndPoint)socket.LocalEndPoint!).Port;
            if (OwnerOf(port, number, others) is null) return (socket, number);

            // The port of an executor that has died; its guest lives on.
            socket.Dispose();
        }

        throw new ExecutorException(ErrorCode.ResourcesUnavailable, $"No free {Name(port.Protocol)} port was found on {AddressOf(port)} in {Attempts} attempts. Name one in the request.");
    }

    private static Socket Bind(PortMapping port)
    {
        try
        {
            return Bind(AddressOf(port), port.HostPort, port.Protocol);
        }
        catch (SocketException e)
        {
            throw e.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => Taken(port, "is in use", e),
                SocketError.AddressNotAvailable => new ExecutorException(
                    ErrorCode.ResourcesUnavailable, $"This host has no address {AddressOf(port)} to listen on. Name one that 'ip address' shows, or 0.0.0.0 for all.", innerException: e),
                _ => new ExecutorException(
                    ErrorCode.ResourcesUnavailable, $"The host port {Text(port)} cannot be had: {e.Message}. Name another one, or 0 for any that is free.", innerException: e),
            };
        }
    }

    private static Socket Bind(IPAddress address, int number, PortProtocol protocol)
    {
        var tcp = protocol == PortProtocol.Tcp;
        var socket = new Socket(AddressFamily.InterNetwork, tcp ? SocketType.Stream : SocketType.Dgram, tcp ? ProtocolType.Tcp : ProtocolType.Udp);
        try
        {
            socket.Bind(new IPEndPoint(address, number));

            // Bound alone does not exclude others that, as most servers do, ask to reuse addresses.
            if (tcp) socket.Listen(1);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static NetworkRecord? OwnerOf(PortMapping port, int number, IReadOnlyList<NetworkRecord> others) => others.FirstOrDefault(o =>
        o.Network.Ports.Any(p => p.HostPort == number && p.Protocol == port.Protocol && Overlap(AddressOf(p), AddressOf(port))));

    private static bool Overlap(IPAddress one, IPAddress other) => one.Equals(other) || one.Equals(IPAddress.Any) || other.Equals(IPAddress.Any);

    private static IPAddress AddressOf(PortMapping port) => port.HostIp is { } ip ? IPAddress.Parse(ip) : IPAddress.Loopback;

    private static string Name(PortProtocol protocol) => protocol == PortProtocol.Tcp ? "TCP" : "UDP";

    private static string Text(PortMapping port) => $"{AddressOf(port)}:{port.HostPort} ({Name(port.Protocol)})";

    private static ExecutorException Taken(PortMapping port, string why, Exception? inner = null) => new(
        ErrorCode.ResourcesUnavailable, $"The host port {Text(port)} {why}. Name another one, or 0 for any that is free.", innerException: inner);
}
