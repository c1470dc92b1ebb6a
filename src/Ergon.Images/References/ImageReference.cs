using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Ergon.Images;

/// <summary>
/// The name of an image, completed as Docker completes it: no registry means Docker Hub, no namespace there means <c>library</c>, no
/// tag and no digest means <c>latest</c>. The grammar is that of the distribution project's reference package.
/// </summary>
internal sealed partial record ImageReference(string Registry, string Repository, string? Tag, string? Digest)
{
    /// <summary>The registry of names without one.</summary>
    public const string DockerHub = "docker.io";


    public static bool TryParse(string text, [NotNullWhen(true)] out ImageReference? reference)
    {
        reference = null;
        if (text.Length > 4096) return false;
        var match = Grammar().Match(text);
        if (!match.Success) return false;
        var name = match.Groups["name"].Value;
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        var first = slash < 0 ? "" : name[..slash];

        // Only what could not be a namespace is a registry: it has a dot, a port, capitals, or is localhost.
        var hasRegistry = slash > 0 && (first.AsSpan().IndexOfAny('.', ':') >= 0 || first == "localhost" || first.Any(char.IsAsciiLetterUpper));
        var registry = hasRegistry ? first : DockerHub;
        var repository = hasRegistry ? name[(slash + 1)..] : name;
        if (registry == "index.docker.io") registry = DockerHub;
        if (registry == DockerHub && !repository.Contains('/')) repository = "library/" + repository;
        if (hasRegistry && !Hosts().IsMatch(registry)) return false;
        if (repository.Length > 255 || !Repositories().IsMatch(repository)) return false;
        var tag = match.Groups["tag"] is { Success: true } t ? t.Value : null;
        var digest = match.Groups["digest"] is { Success: true } d ? d.Value : null;
        reference = new ImageReference(registry, repository, tag ?? (digest is null ? "latest" : null), digest);
        return true;
    }

    /// <summary>Parses a reference that has been validated.</summary>
    public static ImageReference Parse(string text) => TryParse(text, out var reference) ? reference : throw new FormatException($"'{text}' is not an image reference.");

    /// <summary>The whole name without tag and digest.</summary>
    public string Name => $"{Registry}/{Repository}";

    /// <summary>The tag or, if there is one, the digest: what the registry is asked for.</summary>
    public string Version => Digest ?? Tag ?? "latest";

    /// <summary>The whole reference.</summary>
    public override string ToString() => Digest is null ? $"{Name}:{Tag}" : $"{Name}@{Digest}";

    [GeneratedRegex(@"\A(?<name>[A-Za-z0-9\[][A-Za-z0-9._/:\-\[\]]*?)(?::(?<tag>[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}))?(?:@(?<digest>[a-z0-9]+(?:[.+_\-][a-z0-9]+)*:[0-9a-f]{32,}))?\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Grammar();

    [GeneratedRegex(@"\A[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Repositories();

    [GeneratedRegex(@"\A(?:[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Hosts();
}
