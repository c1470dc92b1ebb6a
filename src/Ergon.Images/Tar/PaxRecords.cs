using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Ergon.Images.Tar;

/// <summary>The records of a pax extended header that describe the next entry.</summary>
internal sealed class PaxRecords
{
    private const string AttributePrefix = "SCHILY.xattr.";
    private readonly Dictionary<string, ExtendedAttribute> _attributes = new(StringComparer.Ordinal);

    public string? Path { get; private set; }

    public string? LinkPath { get; private set; }

    public long? Size { get; private set; }

    public uint? UserId { get; private set; }

    public uint? GroupId { get; private set; }

    public long? ModifiedSeconds { get; private set; }

    /// <summary>The file has holes that are not in the archive.</summary>
    public bool IsSparse { get; private set; }

    public IReadOnlyList<ExtendedAttribute> ExtendedAttributes => _attributes.Count == 0 ? [] : [.. _attributes.Values];

    /// <summary>Reads "LENGTH KEY=VALUE\n" again and again; later records win.</summary>
    /// <exception cref="InvalidDataException">The bytes are not such records.</exception>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            // Padding with zeros is not in the standard, but met.
            if (bytes.IndexOfAnyExcept((byte)0) < 0) return;
            if (!Utf8Parser.TryParse(bytes, out int length, out var digits) || digits >= bytes.Length || bytes[digits] != ' ' || length <= digits + 2 || length > bytes.Length) throw Bad();
            var record = bytes[(digits + 1)..length];
            var equals = record.IndexOf((byte)'=');
            if (equals <= 0 || record[^1] != '\n') throw Bad();
            Set(Encoding.UTF8.GetString(record[..equals]), record[(equals + 1)..^1]);
            bytes = bytes[length..];
        }
    }

    private void Set(string key, ReadOnlySpan<byte> value)
    {
        switch (key)
        {
            case "path": Path = Name(value); break;
            case "linkpath": LinkPath = Name(value); break;
            case "size": Size = value.IsEmpty ? null : Number(value); break;
            case "uid": UserId = value.IsEmpty ? null : Id(value); break;
            case "gid": GroupId = value.IsEmpty ? null : Id(value); break;
            case "mtime": ModifiedSeconds = value.IsEmpty ? null : Seconds(value); break;
            default:
                if (key.StartsWith("GNU.sparse.", StringComparison.Ordinal)) IsSparse = true;
                else if (key.StartsWith(AttributePrefix, StringComparison.Ordinal) && key.Length > AttributePrefix.Length) SetAttribute(key[AttributePrefix.Length..], value);
                break;
        }
    }

    private void SetAttribute(string name, ReadOnlySpan<byte> value)
    {
        if (name.Length > FileName.MaxComponent || value.Length > ushort.MaxValue + 1) throw new InvalidDataException($"An extended attribute is larger than the kernel takes ({name.Length} and {value.Length} bytes).");
        _attributes[name] = new ExtendedAttribute(name, value.ToArray());
    }

    private static string? Name(ReadOnlySpan<byte> value)
    {
        if (value.Contains((byte)0)) throw new InvalidDataException("A name has a zero byte inside.");
        return value.IsEmpty ? null : FileName.Encoding.GetString(value);
    }

    private static uint Id(ReadOnlySpan<byte> value) => Number(value) is var n and <= uint.MaxValue ? (uint)n : throw Bad();

    private static long Number(ReadOnlySpan<byte> value) => long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : throw Bad();

    private static long Seconds(ReadOnlySpan<byte> value)
    {
        var point = value.IndexOf((byte)'.');
        var whole = point < 0 ? value : value[..point];
        return long.TryParse(whole, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n) ? n : throw Bad();
    }

    private static InvalidDataException Bad() => new("It is damaged: an extended header cannot be read.");
}
