namespace Ergon.Firecracker.StandIn;

/// <summary>An argument that Firecracker does not take.</summary>
internal sealed class ArgumentsException(string message) : Exception(message);

/// <summary>The command line, as far as the tests need it.</summary>
internal sealed record Arguments(string ApiSocket, string Id, string? LogPath)
{
    private const string DefaultSocket = "/run/firecracker.socket";
    private const string DefaultId = "anonymous-instance";

    private static readonly string[] Known = ["--api-sock", "--id", "--log-path", "--level"];
    private static readonly string[] NotImitated = ["--config-file", "--no-api", "--metadata", "--no-seccomp", "--seccomp-filter", "--mmds-size-limit", "--http-api-max-payload-size"];

    public static Arguments Parse(IReadOnlyList<string> words)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < words.Count; i++)
        {
            var name = words[i];
            if (NotImitated.Contains(name)) throw new ArgumentsException($"The argument '{name}' is not supported by this stand-in for Firecracker.");
            if (!Known.Contains(name)) throw new ArgumentsException($"Found argument '{name}' which wasn't expected, or isn't valid in this context.");
            if (values.ContainsKey(name)) throw new ArgumentsException($"The argument '{name}' was provided more than once.");
            if (++i == words.Count) throw new ArgumentsException($"The argument '{name}' requires a value, but none was supplied.");
            values[name] = words[i];
        }

        return new Arguments(values.GetValueOrDefault("--api-sock", DefaultSocket), values.GetValueOrDefault("--id", DefaultId), values.GetValueOrDefault("--log-path"));
    }

    /// <summary>Whether the id is one that Firecracker takes: 1 to 64 letters, digits and dashes.</summary>
    public bool HasGoodId => Id.Length is > 0 and <= 64 && Id.All(c => char.IsAsciiLetterOrDigit(c) || c == '-');
}
