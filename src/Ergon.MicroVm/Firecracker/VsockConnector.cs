using System.Net.Sockets;
using System.Text;
using Ergon.Linux;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Connects to a port of a guest through the Unix socket that Firecracker offers in place of a vsock.</summary>
internal static class VsockConnector
{
    private const int MostAnswer = 32;

    /// <summary>Connects; <see langword="null"/> when nobody in the guest listens on the port.</summary>
    /// <exception cref="IOException">Firecracker answers with something else.</exception>
    public static async Task<Stream?> TryConnectAsync(string directory, string name, uint port, CancellationToken cancellationToken)
    {
        NetworkStream stream;
        try
        {
            stream = await UnixSocket.ConnectAsync(directory, name, cancellationToken);
        }
        catch (SocketException e)
        {
            throw new IOException($"Firecracker's vsock cannot be reached: {e.Message}", e);
        }

        try
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"CONNECT {port}\n"), cancellationToken);
            var answer = await ReadLineAsync(stream, cancellationToken);
            if (answer is not null && answer.StartsWith("OK ", StringComparison.Ordinal)) return stream;
            await stream.DisposeAsync();
            return answer is null ? null : throw new IOException($"Firecracker's vsock answers '{answer}'.");
        }
        catch (IOException e) when (e.InnerException is SocketException)
        {
            await stream.DisposeAsync();
            return null; // reset: nobody listens
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    // Byte by byte: what follows the line is the guest's.
    private static async Task<string?> ReadLineAsync(Stream stream, CancellationToken cancellationToken)
    {
        var line = new byte[MostAnswer];
        for (var length = 0; length < line.Length; length++)
        {
            if (await stream.ReadAsync(line.AsMemory(length, 1), cancellationToken) == 0) return null;
            if (line[length] == '\n') return Encoding.ASCII.GetString(line, 0, length);
        }

        throw new IOException("Firecracker's vsock answers with an endless line.");
    }
}
