using System.Net.Http.Headers;

namespace Ergon.Images.Registry;

/// <summary>How a registry wants to be logged in to: the scheme and parameters of <c>WWW-Authenticate</c> (RFC 9110).</summary>
internal sealed record Challenge(string Scheme, IReadOnlyDictionary<string, string> Parameters)
{
    /// <summary>The challenge that can be answered: Bearer before Basic; <see langword="null"/> when there is none.</summary>
    public static Challenge? Choose(IEnumerable<AuthenticationHeaderValue> challenges)
    {
        var known = challenges.Where(c => Is(c.Scheme, "Bearer") || Is(c.Scheme, "Basic")).ToList();
        return known.FirstOrDefault(c => Is(c.Scheme, "Bearer")) is { } bearer ? new("Bearer", Read(bearer.Parameter)) : known.Count > 0 ? new("Basic", Read(known[0].Parameter)) : null;
    }

    /// <summary>Reads <c>key="value", key=value</c>; what is malformed ends it.</summary>
    public static Dictionary<string, string> Read(string? text)
    {
        Dictionary<string, string> parameters = new(StringComparer.OrdinalIgnoreCase);
        var rest = (text ?? "").AsSpan();
        while (true)
        {
            rest = rest.TrimStart(" ,\t");
            var equals = rest.IndexOf('=');
            if (equals <= 0) return parameters;
            var key = rest[..equals].Trim().ToString();
            rest = rest[(equals + 1)..].TrimStart(' ');
            parameters[key] = rest is ['"', ..] ? Quoted(ref rest) : Token(ref rest);
        }
    }

    private static string Token(ref ReadOnlySpan<char> rest)
    {
        var end = rest.IndexOfAny(", \t");
        var value = end < 0 ? rest : rest[..end];
        rest = rest[value.Length..];
        return value.ToString();
    }

    private static string Quoted(ref ReadOnlySpan<char> rest)
    {
        var value = new System.Text.StringBuilder();
        var i = 1;
        for (; i < rest.Length && rest[i] != '"'; i++)
        {
            if (rest[i] == '\\' && i + 1 < rest.Length) i++;
            value.Append(rest[i]);
        }

        rest = rest[Math.Min(i + 1, rest.Length)..];
        return value.ToString();
    }

    private static bool Is(string scheme, string known) => string.Equals(scheme, known, StringComparison.OrdinalIgnoreCase);
}
