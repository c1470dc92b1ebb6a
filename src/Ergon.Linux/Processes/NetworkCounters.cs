namespace Ergon.Linux;

/// <summary>Reads <c>/proc/PID/net/dev</c>.</summary>
internal static class NetworkCounters
{
    /// <summary>Bytes received and sent on every interface but loopback.</summary>
    public static (long Received, long Sent) Parse(string text)
    {
        long received = 0;
        long sent = 0;
        foreach (var line in text.Split('\n'))
        {
            var colon = line.IndexOf(':');
            if (colon < 0 || line[..colon].Trim() == "lo") continue;
            var fields = line[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 9 || !long.TryParse(fields[0], out var input) || !long.TryParse(fields[8], out var output)) continue;
            (received, sent) = unchecked((received + input, sent + output));
        }

        return (received, sent);
    }
}
