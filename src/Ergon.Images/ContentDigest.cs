using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Ergon.Images;

/// <summary>Digests of content: <c>sha256:HEX</c>. Other algorithms exist on paper only.</summary>
internal static partial class ContentDigest
{
    private const string Prefix = "sha256:";

    public static string Of(ReadOnlySpan<byte> content) => Format(SHA256.HashData(content));

    public static string Format(ReadOnlySpan<byte> hash) => Prefix + Convert.ToHexStringLower(hash);

    public static bool IsValid(string? digest) => digest is not null && Pattern().IsMatch(digest);

    /// <summary>The hexadecimal half of a valid digest.</summary>
    public static string Hex(string digest) => digest[Prefix.Length..];

    /// <summary>As people recognise it: the first digits.</summary>
    public static string Short(string digest) => digest.StartsWith(Prefix, StringComparison.Ordinal) && digest.Length > Prefix.Length + 12 ? digest.Substring(Prefix.Length, 12) : digest;

    /// <summary>Passes a digest that somebody else wrote.</summary>
    /// <exception cref="InvalidDataException">It is not a digest that can be verified.</exception>
    public static string Require(string? digest, string what) => digest is not null && IsValid(digest)
        ? digest
        : throw new InvalidDataException($"The digest of {what} is '{digest}'; only sha256:HEX can be verified.");

    [GeneratedRegex(@"\Asha256:[0-9a-f]{64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Pattern();
}
