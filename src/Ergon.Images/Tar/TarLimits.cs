namespace Ergon.Images.Tar;

/// <summary>What an archive may cost at most. An archive that wants more is refused.</summary>
internal sealed record TarLimits
{
    /// <summary>Limits that no honest image comes near to.</summary>
    public static readonly TarLimits ForImages = new();

    /// <summary>The entries of one archive.</summary>
    public long MaxEntries { get; init; } = 4_000_000;

    /// <summary>The bytes of one archive, content and headers.</summary>
    public long MaxBytes { get; init; } = 1L << 40;

    /// <summary>The bytes of one extended header, which is held in memory.</summary>
    public int MaxExtendedHeader { get; init; } = 1 << 20;

    /// <summary>The bytes of all names and extended attributes, which are held in memory as well.</summary>
    public long MaxNames { get; init; } = 1L << 29;
}
