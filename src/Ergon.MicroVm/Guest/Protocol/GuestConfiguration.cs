namespace Ergon.MicroVm.Guest.Protocol;

/// <summary>A block device of the guest.</summary>
/// <param name="Serial">The serial number that the VMM gave it; empty where a VMM gives none: then the index counts.</param>
/// <param name="Index">Its place among the virtio block devices, from 0.</param>
internal sealed record GuestDisk(string Serial, int Index);

/// <summary>An input: a read-only image, or a file of one, that is mounted in the job's root.</summary>
/// <param name="Disk">The device with the image.</param>
/// <param name="FileName">The file in the image; empty: all of it, as a directory.</param>
/// <param name="Target">The absolute path inside.</param>
internal sealed record GuestInput(GuestDisk Disk, string FileName, string Target);

/// <summary>The network of the guest: one address on the first network interface.</summary>
/// <param name="Address">The IPv4 address.</param>
/// <param name="PrefixLength">The length of its network's prefix.</param>
/// <param name="Gateway">The address of the default route; empty: none.</param>
internal sealed record GuestNetwork(string Address, int PrefixLength, string Gateway);

/// <summary>A script to run before the command.</summary>
internal sealed record GuestScript(string Name, ReadOnlyMemory<byte> Content);

/// <summary>Everything that the agent must know to run the job.</summary>
internal sealed record GuestConfiguration
{
    /// <summary>The read-only root image.</summary>
    public required GuestDisk Root { get; init; }

    /// <summary>The empty ext4 disk that takes what the job writes; <see langword="null"/>: memory does.</summary>
    public GuestDisk? Scratch { get; init; }

    /// <summary>Whether the job may not write outside of its outputs and /tmp.</summary>
    public bool ReadOnlyRoot { get; init; }

    public required string Hostname { get; init; }

    public IReadOnlyList<GuestInput> Inputs { get; init; } = [];

    /// <summary>The absolute paths inside that are made as directories and collected after the end.</summary>
    public IReadOnlyList<string> Outputs { get; init; } = [];

    public GuestNetwork? Network { get; init; }

    /// <summary>Addresses of name servers.</summary>
    public IReadOnlyList<string> NameServers { get; init; } = [];

    /// <summary>Lines of /etc/hosts beside those of the guest itself: address, space, name.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>The job's argument vector.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The job's whole environment as <c>NAME=value</c>.</summary>
    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>Made when it is missing.</summary>
    public required string WorkingDirectory { get; init; }

    /// <summary>As in an image: <c>user[:group]</c>, names or numbers; empty: root.</summary>
    public string User { get; init; } = "";

    /// <summary>Capabilities that the job keeps, as names such as <c>NET_ADMIN</c>.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [];

    /// <summary>The most memory of all processes of the job, in bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>The most processes and threads of the job.</summary>
    public long? Pids { get; init; }

    /// <summary>The CPU time per wall time of the job, in cores; the host limits the VM as well.</summary>
    public double? Cpu { get; init; }

    public IReadOnlyList<GuestScript> Scripts { get; init; } = [];

    public ReadOnlyMemory<byte> Encode()
    {
        var writer = new PayloadWriter();
        WriteDisk(writer, Root);
        writer.Flag(Scratch is not null);
        if (Scratch is not null) WriteDisk(writer, Scratch);
        writer.Flag(ReadOnlyRoot).Text(Hostname);
        writer.List(Inputs, static (w, i) =>
        {
            WriteDisk(w, i.Disk);
            w.Text(i.FileName).Text(i.Target);
        });
        writer.Texts(Outputs).Flag(Network is not null);
        if (Network is { } n) writer.Text(n.Address).Int32(n.PrefixLength).Text(n.Gateway);
        writer.Texts(NameServers).Texts(Hosts).Texts(Arguments).Texts(Environment).Text(WorkingDirectory).Text(User).Texts(Capabilities);
        writer.OptionalInt64(Memory).OptionalInt64(Pids).OptionalInt64(Cpu is { } cpu ? BitConverter.DoubleToInt64Bits(cpu) : null);
        writer.List(Scripts, static (w, s) => w.Text(s.Name).Bytes(s.Content.Span));
        return writer.Payload;
    }

    public static GuestConfiguration Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(payload);
        var configuration = new GuestConfiguration
        {
            Root = ReadDisk(ref reader),
            Scratch = reader.Flag() ? ReadDisk(ref reader) : null,
            ReadOnlyRoot = reader.Flag(),
            Hostname = reader.Text(),
            Inputs = reader.List(static (ref PayloadReader r) => new GuestInput(ReadDisk(ref r), r.Text(), r.Text())),
            Outputs = reader.Texts(),
            Network = reader.Flag() ? new GuestNetwork(reader.Text(), reader.Int32(), reader.Text()) : null,
            NameServers = reader.Texts(),
            Hosts = reader.Texts(),
            Arguments = reader.Texts(),
            Environment = reader.Texts(),
            WorkingDirectory = reader.Text(),
            User = reader.Text(),
            Capabilities = reader.Texts(),
            Memory = reader.OptionalInt64(),
            Pids = reader.OptionalInt64(),
            Cpu = reader.OptionalInt64() is { } bits ? BitConverter.Int64BitsToDouble(bits) : null,
            Scripts = reader.List(static (ref PayloadReader r) => new GuestScript(r.Text(), r.Bytes().ToArray())),
        };
        reader.End();
        return configuration;
    }

    private static void WriteDisk(PayloadWriter writer, GuestDisk disk) => writer.Text(disk.Serial).Int32(disk.Index);

    private static GuestDisk ReadDisk(ref PayloadReader reader) => new(reader.Text(), reader.Int32());
}
