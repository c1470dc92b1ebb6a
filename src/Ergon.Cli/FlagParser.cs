using System.Globalization;

namespace Ergon.Cli;

/// <summary>Reads the values of flags; what is wrong is added to the problems, under the flag's name.</summary>
internal sealed class FlagParser(RequestProblems problems)
{
    public long? Size(string flag, string? text)
    {
        if (text is null) return null;
        if (ByteSize.TryParse(text, out var bytes)) return bytes;
        problems.Invalid(flag, $"'{text}' is not a size; give bytes, or a number with k, m, g or t, such as 256m.");
        return null;
    }

    public TimeSpan? Time(string flag, string? text)
    {
        if (text is null) return null;
        if (Duration.TryParse(text, out var duration)) return duration;
        problems.Invalid(flag, $"'{text}' is not a duration; give numbers with units, such as 30s or 1h30m.");
        return null;
    }

    public double? Number(string flag, string? text)
    {
        if (text is null) return null;
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return number;
        problems.Invalid(flag, $"'{text}' is not a number; give one such as 1.5.");
        return null;
    }

    public int? Count(string flag, string? text)
    {
        if (text is null) return null;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count)) return count;
        problems.Invalid(flag, $"'{text}' is not a count; give a whole number such as 1.");
        return null;
    }

    public JobId? Job(string flag, string? text)
    {
        if (text is null) return null;
        if (JobId.TryParse(text, out var id)) return id;
        problems.Invalid(flag, $"'{text}' is not an id; give {Identifier.Rule}.");
        return null;
    }

    public ExecutionId? Execution(string flag, string? text)
    {
        if (text is null) return null;
        if (ExecutionId.TryParse(text, out var id)) return id;
        problems.Invalid(flag, $"'{text}' is not an id; give {Identifier.Rule}.");
        return null;
    }

    /// <summary>Reads <c>NAME=VALUE</c>; a name alone takes the value of ergon's own environment, and nothing if it has none.</summary>
    public void Variables(string flag, IEnumerable<string> texts, IDictionary<string, string> variables, bool inherit)
    {
        foreach (var text in texts)
        {
            var split = text.IndexOf('=', StringComparison.Ordinal);
            if (split > 0) variables[text[..split]] = text[(split + 1)..];
            else if (split == 0 || !inherit) problems.Invalid(flag, $"'{text}' is not NAME=VALUE.");
            else if (Environment.GetEnvironmentVariable(text) is { } own) variables[text] = own;
        }
    }

    /// <summary>Reads <c>SRC:DST[:ro]</c>; a relative source is taken from here.</summary>
    public StorageVolume? Volume(string text)
    {
        var parts = text.Split(':');
        if (parts is [{ Length: > 0 } source, { Length: > 0 } target, .. var mode] && mode is [] or ["ro"] or ["rw"])
            return new StorageVolume { Source = Path.GetFullPath(source), Target = target, ReadOnly = mode is ["ro"] };
        problems.Invalid("-v", $"'{text}' is not SRC:DST[:ro], such as ./data:/data:ro.");
        return null;
    }

    /// <summary>Reads <c>NAME:PATH</c>.</summary>
    public StorageVolume? Output(string text)
    {
        if (text.Split(':') is [{ Length: > 0 } name, { Length: > 0 } path]) return new StorageVolume { Source = name, Target = path };
        problems.Invalid("-o", $"'{text}' is not NAME:PATH, such as result:/out.");
        return null;
    }

    /// <summary>Reads <c>[IP:]HOST:GUEST[/udp]</c>; an IPv6 address stands in brackets.</summary>
    public PortMapping? Port(string text)
    {
        var (ports, protocol) = text.Split('/') switch
        {
            [var p] => (p, PortProtocol.Tcp),
            [var p, "tcp"] => (p, PortProtocol.Tcp),
            [var p, "udp"] => (p, PortProtocol.Udp),
            _ => ("", PortProtocol.Tcp),
        };
        var guestAt = ports.LastIndexOf(':');
        var hostAt = guestAt > 0 ? ports.LastIndexOf(':', guestAt - 1) : -1;
        var ip = hostAt > 0 ? ports[..hostAt].Trim('[', ']') : null;
        if (guestAt > 0
            && int.TryParse(ports[(hostAt + 1)..guestAt], NumberStyles.None, CultureInfo.InvariantCulture, out var host)
            && int.TryParse(ports[(guestAt + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var guest))
        {
            return new PortMapping { HostIp = ip, HostPort = host, ExecutorPort = guest, Protocol = protocol };
        }

        problems.Invalid("-p", $"'{text}' is not [IP:]HOST:GUEST[/udp], such as 8080:80.");
        return null;
    }
}
