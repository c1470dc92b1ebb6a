using System.Diagnostics.CodeAnalysis;

namespace Ergon;

/// <summary>Names what the caller wants done; a job may be executed several times.</summary>
public readonly record struct JobId : IParsable<JobId>
{
    private readonly string? _value;

    private JobId(string value) => _value = value;

    /// <summary>The text of the id; empty for <c>default</c>.</summary>
    public string Value => _value ?? "";

    /// <summary>Parses an id. The rule is that of <see cref="Identifier.Rule"/>.</summary>
    /// <exception cref="FormatException">The text is not an id.</exception>
    public static JobId Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var id) ? id : throw new FormatException($"'{s}' is not a job id: {Identifier.Rule}.");

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static JobId Parse(string s) => Parse(s, null);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out JobId result)
    {
        result = Identifier.IsValid(s) ? new JobId(s) : default;
        return result._value is not null;
    }

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out JobId)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out JobId result) => TryParse(s, null, out result);

    /// <summary>Returns the text of the id.</summary>
    public override string ToString() => Value;
}

/// <summary>Names one attempt at a job, unique within an executor.</summary>
public readonly record struct ExecutionId : IParsable<ExecutionId>
{
    /// <summary>The longest host name, in characters (RFC 1123, a label).</summary>
    internal const int MaxHostname = 63;

    private readonly string? _value;

    private ExecutionId(string value) => _value = value;

    /// <summary>The text of the id; empty for <c>default</c>.</summary>
    public string Value => _value ?? "";

    /// <summary>Makes an id that no other execution has: a version 7 UUID, so that ids sort by time.</summary>
    public static ExecutionId New() => new(Guid.CreateVersion7().ToString("n"));

    /// <summary>Parses an id. The rule is that of <see cref="Identifier.Rule"/>.</summary>
    /// <exception cref="FormatException">The text is not an id.</exception>
    public static ExecutionId Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var id) ? id : throw new FormatException($"'{s}' is not an execution id: {Identifier.Rule}.");

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static ExecutionId Parse(string s) => Parse(s, null);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out ExecutionId result)
    {
        result = Identifier.IsValid(s) ? new ExecutionId(s) : default;
        return result._value is not null;
    }

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out ExecutionId)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out ExecutionId result) => TryParse(s, null, out result);

    /// <summary>Returns the text of the id.</summary>
    public override string ToString() => Value;

    /// <summary>The id as a host name, cut to the length that one may have: the name inside of an execution whose request gives none.</summary>
    public string ToHostname() => Value.Replace('_', '-')[..Math.Min(Value.Length, MaxHostname)];
}

/// <summary>The one rule for job, execution and executor ids: safe as a file name, a label value and a DNS-like name.</summary>
public static class Identifier
{
    /// <summary>The rule in words.</summary>
    public const string Rule = "1 to 128 characters of A-Z a-z 0-9 . _ -, beginning with a letter or a digit";

    /// <summary>Tells whether a text is an id.</summary>
    public static bool IsValid([NotNullWhen(true)] string? text)
    {
        if (text is null || text.Length is 0 or > 128 || !char.IsAsciiLetterOrDigit(text[0])) return false;
        foreach (var c in text)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-')) return false;
        return true;
    }
}
