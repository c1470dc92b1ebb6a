using System.Buffers;
using System.Buffers.Text;
using System.Net;
using System.Text;

namespace Ergon.Docker.Api;

internal sealed partial class EngineClient
{
    private const int LongestAnswer = 16 * 1024;

    // Where the status is in "HTTP/1.1 101 UPGRADED".
    private static readonly Range StatusDigits = 9..12;

    // The connection becomes the output and input of a container or command, which must be closed in one direction: the class library's
    // client does not give it out as that.
    private async Task<EngineStream> UpgradeAsync(string path, byte[] body, bool multiplexed, CancellationToken cancellationToken)
    {
        var version = _version ?? await VersionAsync(cancellationToken);
        var head = $"POST /v{version}{path} HTTP/1.1\r\nHost: {_dialer.Host}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n";
        var connection = await _dialer.DialAsync(cancellationToken);
        var answer = ArrayPool<byte>.Shared.Rent(LongestAnswer);
        try
        {
            await connection.WriteAsync((byte[])[.. Encoding.ASCII.GetBytes(head), .. body], cancellationToken);
            var (end, length) = await ReadHeadAsync(connection, answer, cancellationToken);
            var status = StatusOf(answer);

            // Those that know nothing of upgrades do it all the same, and call it 200.
            if (status is not (HttpStatusCode.SwitchingProtocols or HttpStatusCode.OK)) throw EngineApiException.Of(status, await ReadBodyAsync(connection, answer, end, length, cancellationToken));
            var stream = new EngineStream(connection, owner: null, multiplexed);
            stream.Unread(answer.AsSpan(end, length - end));
            return stream;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(answer);
        }
    }

    // Returns where the head ends, and how much has been read.
    private static async Task<(int End, int Length)> ReadHeadAsync(Stream connection, byte[] answer, CancellationToken cancellationToken)
    {
        for (var length = 0; length < answer.Length;)
        {
            var read = await connection.ReadAsync(answer.AsMemory(length), cancellationToken);
            if (read == 0) throw new EndOfStreamException("The Engine closed the connection before it answered.");
            length += read;
            if (answer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) is >= 0 and var end) return (end + 4, length);
        }

        throw new InvalidDataException("The Engine's answer has no end.");
    }

    private static HttpStatusCode StatusOf(ReadOnlySpan<byte> answer) => answer.StartsWith("HTTP/1."u8) && Utf8Parser.TryParse(answer[StatusDigits], out int status, out _)
        ? (HttpStatusCode)status
        : throw new InvalidDataException("The answer is not HTTP.");

    // An error is short, and has its length in its head.
    private static async Task<string> ReadBodyAsync(Stream connection, byte[] answer, int end, int length, CancellationToken cancellationToken)
    {
        const string Name = "\r\nContent-Length:";
        var head = Encoding.ASCII.GetString(answer, 0, end);
        var at = head.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
        if (at >= 0 && int.TryParse(head.AsSpan(at + Name.Length, head.IndexOf('\r', at + Name.Length) - at - Name.Length), out var size))
        {
            var missing = Math.Min(size, answer.Length - end) - (length - end);
            if (missing > 0) length += await connection.ReadAtLeastAsync(answer.AsMemory(length, missing), missing, throwOnEndOfStream: false, cancellationToken);
        }

        return Encoding.UTF8.GetString(answer, end, length - end);
    }
}
