using System.Net.Sockets;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>Unix sockets in a directory the path of which may be longer than a socket address.</summary>
internal static class UnixSocket
{
    private const int Family = 1;
    private const int StreamType = 1;
    private const int PathBytes = 108;

    /// <summary>Makes a listening socket, to be handed to a child. Its file stays when the descriptor is closed.</summary>
    public static unsafe SafeFileHandle Listen(string directory, string name, int backlog = 8)
    {
        using var opened = Descriptors.Open(directory, Libc.PathOnly);
        var listener = new SafeFileHandle((nint)Libc.Check(Libc.Socket(Family, StreamType | Libc.CloseOnExec, 0), "make a socket"), ownsHandle: true);
        try
        {
            var address = stackalloc byte[2 + PathBytes];
            new Span<byte>(address, 2 + PathBytes).Clear();
            *(ushort*)address = Family;
            var path = Encoding.UTF8.GetBytes(ShortPath(opened, name));
            if (path.Length >= PathBytes) throw new ArgumentException($"The socket name '{name}' is too long.", nameof(name));
            path.CopyTo(new Span<byte>(address + 2, PathBytes));
            Libc.Check(Libc.Bind(Descriptors.Number(listener), address, 2 + PathBytes), $"bind a socket to {name} in {directory}");
            Libc.Check(Libc.Listen(Descriptors.Number(listener), backlog), $"listen on {name} in {directory}");
            return listener;
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    /// <summary>Connects to a listening socket.</summary>
    /// <exception cref="SocketException">Nobody listens there.</exception>
    public static async Task<NetworkStream> ConnectAsync(string directory, string name, CancellationToken cancellationToken)
    {
        using var opened = Descriptors.Open(directory, Libc.PathOnly);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(ShortPath(opened, name)), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends a few bytes together with a descriptor, which the other side then has as well (unix(7), SCM_RIGHTS).</summary>
    public static unsafe void SendDescriptor(Socket socket, ReadOnlySpan<byte> bytes, SafeFileHandle descriptor)
    {
        const int Header = 16; // struct cmsghdr: length, level, type
        const int Level = 1;
        const int Rights = 1;
        var control = stackalloc byte[Header + 8];
        *(nint*)control = Header + sizeof(int);
        *(int*)(control + 8) = Level;
        *(int*)(control + 12) = Rights;
        *(int*)(control + Header) = Descriptors.Number(descriptor);
        fixed (byte* data = bytes)
        {
            var part = stackalloc nint[2]; // struct iovec
            (part[0], part[1]) = ((nint)data, bytes.Length);
            var message = stackalloc nint[7]; // struct msghdr
            (message[0], message[1], message[2], message[3]) = (0, 0, (nint)part, 1);
            (message[4], message[5], message[6]) = ((nint)control, Header + 8, 0);
            var sent = Libc.Check(Libc.SendMessage((int)socket.Handle, message, 0), "send a file descriptor");
            if (sent != bytes.Length) throw new IOException("A message with a file descriptor was cut off.");
        }
    }

    private static string ShortPath(SafeFileHandle directory, string name) => $"/proc/self/fd/{Descriptors.Number(directory)}/{name}";
}
