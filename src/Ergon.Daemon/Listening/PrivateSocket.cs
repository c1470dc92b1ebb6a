using System.Net.Sockets;

namespace Ergon.Daemon.Listening;

/// <summary>The Unix socket of a daemon: nobody but its owner can connect to it, from its first moment on.</summary>
internal sealed class PrivateSocket : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnersDirectory = OwnerOnly | UnixFileMode.UserExecute;
    private const int Backlog = 512;

    private readonly string _path;
    private readonly FileStream _lock;

    private PrivateSocket(string path, FileStream @lock, Socket socket) => (_path, _lock, Socket) = (path, @lock, socket);

    /// <summary>Bound; whoever listens on it owns it.</summary>
    public Socket Socket { get; }

    /// <summary>Binds a socket, and replaces one that a former daemon left.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>: it cannot be made there, or another daemon listens.</exception>
    public static PrivateSocket Bind(string path)
    {
        path = Path.GetFullPath(path);
        FileStream? held = null;
        try
        {
            MakeDirectory(Path.GetDirectoryName(path)!);
            held = new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            if (IsAnswered(path)) throw new IOException("a daemon answers there.");
            return new PrivateSocket(path, held, BindAside(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException or ArgumentException)
        {
            held?.Dispose();
            throw new ExecutorException(
                ErrorCode.StorageFailed,
                $"The socket {path} cannot be listened on: {e.Message} Stop the daemon that uses it, make its directory writable, or choose another with --socket.",
                innerException: e);
        }
    }

    public void Dispose()
    {
        Socket.Dispose();

        // Ours as long as the lock is held.
        File.Delete(_path);
        _lock.Dispose();
    }

    // A socket gets its mode after it is bound, and refuses everybody until it is listened on: between the two it is made private. Moving it into
    // place replaces, in one step, what a former daemon left.
    private static Socket BindAside(string path)
    {
        var aside = $"{path}.{Environment.ProcessId}";
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            File.Delete(aside);
            socket.Bind(new UnixDomainSocketEndPoint(aside));
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(aside, OwnerOnly);
            socket.Listen(Backlog);
            File.Move(aside, path, overwrite: true);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void MakeDirectory(string directory)
    {
        if (Directory.Exists(directory)) return;
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(directory);
        else Directory.CreateDirectory(directory, OwnersDirectory);
    }

    private static bool IsAnswered(string path)
    {
        if (!File.Exists(path)) return false;
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
