using System.Buffers.Binary;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Ergon.Daemon.Listening;

/// <summary>The process at the other end of a Unix socket, as the kernel knows it.</summary>
/// <param name="ProcessId">Its id.</param>
/// <param name="UserId">Its user.</param>
internal sealed record PeerCredentials(int ProcessId, int UserId)
{
    // asm-generic/socket.h, unix(7): struct ucred { pid_t pid; uid_t uid; gid_t gid; }.
    private const int SocketLevel = 1;
    private const int PeerCredential = 17;

    /// <summary>Asks the kernel; <see langword="null"/> when it cannot tell.</summary>
    public static PeerCredentials? Of(ConnectionContext connection)
    {
        if (!OperatingSystem.IsLinux() || connection.Features.Get<IConnectionSocketFeature>()?.Socket is not { AddressFamily: AddressFamily.Unix } socket) return null;
        Span<byte> credentials = stackalloc byte[12];
        try
        {
            if (socket.GetRawSocketOption(SocketLevel, PeerCredential, credentials) < credentials.Length) return null;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return null;
        }

        return new PeerCredentials(BinaryPrimitives.ReadInt32LittleEndian(credentials), BinaryPrimitives.ReadInt32LittleEndian(credentials[4..]));
    }
}
