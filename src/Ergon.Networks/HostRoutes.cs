using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace Ergon.Networks;

/// <summary>Where the host sends packets to (<c>/proc/net/route</c>).</summary>
internal sealed record HostRoutes(IReadOnlyList<AddressRange> Ranges, string? DefaultInterface)
{
    public static async ValueTask<HostRoutes> ReadAsync(CancellationToken cancellationToken) =>
        Parse(await File.ReadAllTextAsync("/proc/net/route", cancellationToken));

    public static HostRoutes Parse(string text)
    {
        var ranges = new List<AddressRange>();
        string? defaultInterface = null;
        foreach (var line in text.Split('\n').Skip(1))
        {
            var fields = line.Split('\t', StringSplitOptions.TrimEntries);
            if (fields.Length < 8 || !TryNumber(fields[1], out var target) || !TryNumber(fields[7], out var mask)) continue;
            ranges.Add(new AddressRange(target, BitOperations.PopCount(mask)));
            if (mask == 0) defaultInterface ??= fields[0];
        }

        return new HostRoutes(ranges, defaultInterface);
    }

    /// <summary>
    /// The first four addresses of the pool that nobody uses; <see langword="null"/> when there are none. A route that is wider than
    /// the pool, such as one into a VPN, does not count: giving the pool says that these addresses of it are free.
    /// </summary>
    public AddressRange? FindFree(AddressRange pool, IEnumerable<AddressRange> taken)
    {
        const int Prefix = 30;
        const uint Size = 4;
        var used = taken.Concat(Ranges.Where(r => r.PrefixLength >= pool.PrefixLength && r.Overlaps(pool))).ToList();
        for (ulong offset = 0; offset < 1ul << (32 - pool.PrefixLength); offset += Size)
        {
            var candidate = new AddressRange(pool.First + (uint)offset, Prefix);
            if (!used.Exists(r => r.Overlaps(candidate))) return candidate;
        }

        return null;
    }

    // The kernel prints the bytes of the address, in network order, as one number of the machine.
    private static bool TryNumber(string field, out uint number)
    {
        var parsed = uint.TryParse(field, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var printed);
        number = BinaryPrimitives.ReverseEndianness(printed);
        return parsed;
    }
}
