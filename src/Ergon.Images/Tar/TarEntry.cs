namespace Ergon.Images.Tar;

/// <summary>What an entry is.</summary>
internal enum EntryType : byte
{
    File,
    HardLink,
    SymbolicLink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// <summary>What a file is like, apart from its name and content.</summary>
internal record struct EntryAttributes(uint Mode, uint UserId, uint GroupId, long ModifiedSeconds)
{
    /// <summary>The attributes of directories that no archive mentions, as Docker makes them.</summary>
    public static readonly EntryAttributes ImpliedDirectory = new(0x1ED, 0, 0, 0);
}

/// <summary>An extended attribute. The name is text, the value is any bytes.</summary>
internal readonly record struct ExtendedAttribute(string Name, byte[] Value);

/// <summary>
/// An entry of a tar archive. Names of files are bytes that need not be text: each character here stands for one byte
/// (<see cref="FileName.Encoding"/>), so that nothing is lost.
/// </summary>
internal sealed record TarEntry
{
    public required EntryType Type { get; init; }

    public required string Name { get; init; }

    /// <summary>Where a hard or symbolic link leads to.</summary>
    public string LinkName { get; init; } = "";

    public EntryAttributes Attributes { get; init; }

    /// <summary>The size of a file's content; 0 for everything else.</summary>
    public long Size { get; init; }

    public uint DeviceMajor { get; init; }

    public uint DeviceMinor { get; init; }

    public IReadOnlyList<ExtendedAttribute> ExtendedAttributes { get; init; } = [];
}
