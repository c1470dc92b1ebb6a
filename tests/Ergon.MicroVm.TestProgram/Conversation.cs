using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ergon.MicroVm.TestProgram;

/// <summary>A server that says who it is and whom it sees, over TCP and UDP, and a client that asks one.</summary>
internal static class Conversation
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static async Task<int> ServeAsync(string address, int port, string name)
    {
        using var listener = new TcpListener(IPAddress.Parse(address), port);
        listener.Start();
        using var udp = new UdpClient(new IPEndPoint(IPAddress.Parse(address), port));
        Console.WriteLine("ready");
        await Task.WhenAny(ServeTcpAsync(listener, name), ServeUdpAsync(udp, name), Console.In.ReadLineAsync());
        return 0;
    }

    /// <summary>Prints the answer, or why there was none.</summary>
    public static async Task<int> AskAsync(string protocol, string address, int port, string sourceAddress, int sourcePort)
    {
        using var deadline = new CancellationTokenSource(Patience, TimeProvider.System);
        var tcp = protocol == "tcp";
        using var socket = new Socket(AddressFamily.InterNetwork, tcp ? SocketType.Stream : SocketType.Dgram, tcp ? ProtocolType.Tcp : ProtocolType.Udp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Parse(sourceAddress), sourcePort));
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(address), port), deadline.Token);
            if (!tcp) await socket.SendAsync("?"u8.ToArray(), deadline.Token);
            var buffer = new byte[256];
            var count = await socket.ReceiveAsync(buffer, deadline.Token);
            Console.WriteLine(Encoding.UTF8.GetString(buffer, 0, count));
        }
        catch (SocketException e)
        {
            Console.WriteLine(e.SocketErrorCode);
        }
        catch (OperationCanceledException)
        {
            Console.WriteLine("silence");
        }

        return 0;
    }

    private static async Task ServeTcpAsync(TcpListener listener, string name)
    {
        while (true)
        {
            using var client = await listener.AcceptSocketAsync();
            await client.SendAsync(Greeting(name, client.RemoteEndPoint!));
        }
    }

    private static async Task ServeUdpAsync(UdpClient udp, string name)
    {
        while (true)
        {
            var received = await udp.ReceiveAsync();
            await udp.SendAsync(Greeting(name, received.RemoteEndPoint), received.RemoteEndPoint, CancellationToken.None);
        }
    }

    private static byte[] Greeting(string name, EndPoint client) => Encoding.UTF8.GetBytes($"{name} sees {((IPEndPoint)client).Address}");
}
