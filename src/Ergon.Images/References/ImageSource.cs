using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Ergon.Images;

/// <summary>Where an image comes from.</summary>
internal enum ImageSourceKind
{
    /// <summary>The Docker Engine if it has the image, else the registry.</summary>
    Reference,

    /// <summary><c>docker-daemon:REF</c>: the Docker Engine alone.</summary>
    DockerDaemon,

    /// <summary><c>docker://REF</c>: the registry alone.</summary>
    Registry,

    /// <summary><c>oci:PATH[:TAG]</c>: a directory in the OCI layout.</summary>
    OciDirectory,

    /// <summary><c>oci-archive:PATH[:TAG]</c>: a tar archive of an OCI layout.</summary>
    OciArchive,

    /// <summary><c>docker-archive:PATH[:REF]</c>: what <c>docker save</c> wrote.</summary>
    DockerArchive,

    /// <summary><c>rootfs:PATH</c>: a directory that is a root file system.</summary>
    RootDirectory,
}

/// <summary>The text that names an image, taken apart: a reference, or one of skopeo's transports.</summary>
internal sealed partial record ImageSource
{
    private static readonly (string Prefix, ImageSourceKind Kind)[] Transports =
    [
        ("docker-daemon:", ImageSourceKind.DockerDaemon),
        ("docker://", ImageSourceKind.Registry),
        ("oci:", ImageSourceKind.OciDirectory),
        ("oci-archive:", ImageSourceKind.OciArchive),
        ("docker-archive:", ImageSourceKind.DockerArchive),
        ("rootfs:", ImageSourceKind.RootDirectory),
    ];

    private ImageSource(string text, ImageSourceKind kind) => (Text, Kind) = (text, kind);

    /// <summary>As it was given.</summary>
    public string Text { get; }

    public ImageSourceKind Kind { get; }

    /// <summary>The absolute path on this machine; <see langword="null"/> when it does not come from one.</summary>
    public string? Path { get; private init; }

    /// <summary>The reference, also of an image in a Docker archive.</summary>
    public ImageReference? Reference { get; private init; }

    /// <summary>The tag of an image in an OCI layout.</summary>
    public string? Tag { get; private init; }

    /// <summary>The id of an image in the Docker Engine, which may be given in place of a reference.</summary>
    public string? Id { get; private init; }

    /// <summary>The same text with a path that begins here, for whoever may give one that does not.</summary>
    public static string WithFullPath(string text)
    {
        var prefix = Transports.Where(t => t.Kind is ImageSourceKind.OciDirectory or ImageSourceKind.OciArchive or ImageSourceKind.DockerArchive or ImageSourceKind.RootDirectory)
            .Select(t => t.Prefix).FirstOrDefault(p => text.StartsWith(p, StringComparison.Ordinal) && text.Length > p.Length);
        return prefix is null ? text : prefix + System.IO.Path.GetFullPath(text[prefix.Length..]);
    }

    /// <summary>Takes the text apart, without looking at anything.</summary>
    /// <exception cref="FormatException">It names no image; the message says why.</exception>
    public static ImageSource Parse(string text) => TryParse(text, out var source, out var problem) ? source : throw new FormatException($"'{text}' {problem}");

    /// <summary>Takes the text apart, without looking at anything.</summary>
    /// <param name="text">The text.</param>
    /// <param name="source">The result.</param>
    /// <param name="problem">What is wrong; it goes on after "'TEXT' ".</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out ImageSource? source, [NotNullWhen(false)] out string? problem)
    {
        (source, problem) = (null, null);
        var (prefix, kind) = Transports.FirstOrDefault(t => text.StartsWith(t.Prefix, StringComparison.Ordinal), (Prefix: "", Kind: ImageSourceKind.Reference));
        var rest = text[prefix.Length..];
        switch (kind)
        {
            case ImageSourceKind.DockerDaemon when ImageId().IsMatch(rest):
                source = new ImageSource(text, kind) { Id = rest.Contains(':') ? rest : "sha256:" + rest };
                break;
            case ImageSourceKind.Reference or ImageSourceKind.DockerDaemon or ImageSourceKind.Registry:
                if (ImageReference.TryParse(rest, out var reference)) source = new ImageSource(text, kind) { Reference = reference };
                else problem = $"is not an image reference; give {prefix}[registry/]name[:tag][@digest] in lower case.";
                break;
            default:
                (source, problem) = ParsePath(text, prefix, kind, rest);
                break;
        }

        return source is not null;
    }

    private static (ImageSource? Source, string? Problem) ParsePath(string text, string prefix, ImageSourceKind kind, string rest)
    {
        // As in skopeo, a colon ends the path; a root directory has nothing after its path.
        var colon = kind == ImageSourceKind.RootDirectory ? -1 : rest.IndexOf(':', StringComparison.Ordinal);
        var (path, selector) = colon < 0 ? (rest, null) : (rest[..colon], rest[(colon + 1)..]);
        if (path is not ['/', ..] || path.Contains('\0')) return (null, $"needs an absolute path: {prefix}/PATH.");
        if (selector is null) return (new ImageSource(text, kind) { Path = path }, null);
        if (kind == ImageSourceKind.DockerArchive)
        {
            return ImageReference.TryParse(selector, out var reference)
                ? (new ImageSource(text, kind) { Path = path, Reference = reference }, null)
                : (null, $"has something after the path that is not an image reference; give {prefix}/PATH[:name[:tag]].");
        }

        return selector.Length is > 0 and <= 255
            ? (new ImageSource(text, kind) { Path = path, Tag = selector }, null)
            : (null, $"has an empty tag after the path; give {prefix}/PATH[:TAG].");
    }

    [GeneratedRegex(@"\A(?:sha256:)?[0-9a-f]{64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex ImageId();
}
