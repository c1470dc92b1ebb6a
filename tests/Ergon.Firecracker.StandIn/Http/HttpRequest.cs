using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Ergon.Firecracker.StandIn.Http;

/// <summary>A request that was read whole.</summary>
internal sealed record HttpRequest(string Method, string Path, byte[] Body);

/// <summary>What comes is no request that Firecracker takes.</summary>
internal sealed class HttpParseException(string message) : Exception(message);

/// <summary>Reads requests as strictly as Firecracker does.</summary>
internal sealed class HttpReader(NetworkStream stream)
{
    private const int MostHead = 8 * 1024;
    private const int MostBody = 51_200;

    private static readonly string[] Methods = ["GET", "PUT", "PATCH", "DELETE"];

    private byte[] _buffered = [];

    /// <summary>Reads the next one; <see langword="null"/> when the client has closed.</summary>
    public async Task<HttpRequest?> ReadAsync()
    {
        if (await ReadHeadAsync() is not { } head) return null;
        var lines = head.Split("\r\n");
        var words = lines[0].Split(' ');
        if (words.Length != 3) throw new HttpParseException("Invalid HTTP Method: Invalid request line.");
        if (!Methods.Contains(words[0])) throw new HttpParseException("Invalid HTTP Method: Unsupported HTTP method.");
        if (!words[1].StartsWith('/') && !words[1].StartsWith("http://", StringComparison.Ordinal)) throw new HttpParseException("Invalid URI: Empty URI not allowed.");
        if (words[2] is not ("HTTP/1.1" or "HTTP/1.0")) throw new HttpParseException("Invalid HTTP Version: Unsupported HTTP version.");
        var (length, waits) = ReadHeaders(lines.Skip(1));
        if (length > MostBody) throw new HttpParseException($"Request payload with size {length} is larger than the limit of {MostBody} allowed by server.");
        if (waits) await stream.WriteAsync(HttpAnswer.Continue.ToBytes());
        return new HttpRequest(words[0], words[1], await ReadBodyAsync(length));
    }

    private static (int Length, bool Waits) ReadHeaders(IEnumerable<string> lines)
    {
        var (length, waits) = (0, false);
        foreach (var line in lines)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0) throw new HttpParseException($"Invalid header. Reason: Invalid format. Key:{line}; Value:");
            var (name, value) = (line[..colon], line[(colon + 1)..].Trim());
            switch (name.ToLowerInvariant())
            {
                case "content-length":
                    if (!int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out length))
                        throw new HttpParseException($"Invalid header. Reason: Invalid value. Key:{name}; Value:{value}");
                    break;
                case "transfer-encoding":
                    throw new HttpParseException($"Invalid header. Reason: Unsupported value. Key:{name}; Value:{value}");
                case "expect":
                    waits = value == "100-continue" ? true : throw new HttpParseException($"Invalid header. Reason: Unsupported value. Key:{name}; Value:{value}");
                    break;
            }
        }

        return (length, waits);
    }

    private async Task<string?> ReadHeadAsync()
    {
        int end;
        while ((end = _buffered.AsSpan().IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (_buffered.Length > MostHead) throw new HttpParseException("Invalid request.");
            if (!await FillAsync()) return null;
        }

        var head = Encoding.ASCII.GetString(_buffered, 0, end);
        _buffered = _buffered[(end + 4)..];
        return head;
    }

    private async Task<byte[]> ReadBodyAsync(int length)
    {
        while (_buffered.Length < length)
            if (!await FillAsync()) throw new EndOfStreamException();
        var body = _buffered[..length];
        _buffered = _buffered[length..];
        return body;
    }

    private async Task<bool> FillAsync()
    {
        var bytes = new byte[4096];
        var count = await stream.ReadAsync(bytes);
        _buffered = [.. _buffered, .. bytes.AsSpan(0, count)];
        return count > 0;
    }
}
