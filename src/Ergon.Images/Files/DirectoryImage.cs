using System.Globalization;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;
using Ergon.Images.Layers;
using Ergon.Images.Sources;
using Ergon.Images.Tar;
using Ergon.Linux;

namespace Ergon.Images.Files;

/// <summary>What goes into the block image of a directory.</summary>
internal sealed record DirectoryImageOptions
{
    /// <summary>Devices, named pipes and extended attributes go in, and what is mounted inside does not: the directory is a root file system.</summary>
    public bool IsRoot { get; init; }

    /// <summary>The bytes of all files together.</summary>
    public long MaxBytes { get; init; } = 64L << 30;
}

/// <summary>Makes a block image of a directory of the host. Links remain links, and sockets are left out.</summary>
[SupportedOSPlatform("linux")]
internal sealed class DirectoryImage
{
    private readonly string _path;
    private readonly DirectoryImageOptions _options;
    private readonly Dictionary<(ulong Inode, (uint, uint) FileSystem), string> _linked = [];
    private readonly Action<long> _progress;
    private long _written;

    private DirectoryImage(string path, DirectoryImageOptions options, Action<long> progress) => (_path, _options, _progress) = (path, options, progress);

    /// <summary>Makes the image.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="image">The file; it is replaced. It is incomplete when this throws.</param>
    /// <param name="options">What goes in.</param>
    /// <param name="progress">Takes how many bytes of content have been read.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="InvalidDataException">The directory changed meanwhile, or has something in it that cannot go in.</exception>
    /// <exception cref="ExecutorException">The directory cannot be read, or the program that makes images is missing or failed.</exception>
    public static Task BuildAsync(string path, string image, DirectoryImageOptions options, Action<long> progress, CancellationToken cancellationToken) =>
        SquashfsBuilder.BuildAsync(image, (writer, token) => new DirectoryImage(path, options, progress).WriteAsync(writer, token), cancellationToken);

    /// <summary>A digest of what the kernel knows about every file: it changes with every change, without reading the files.</summary>
    public static async Task<string> FingerprintAsync(string path, DirectoryImageOptions options, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("ergon directory 1\n"u8);
        await new DirectoryWalk(options.IsRoot, (file, _) =>
        {
            var s = file.Status;
            var line = string.Create(CultureInfo.InvariantCulture, $"{s.FileSystem}{s.Inode} {s.Mode} {s.UserId} {s.GroupId} {s.Length} {s.Device} {s.Modified} {s.Changed} {s.Links} {file.Path.Length}:");
            hash.AppendData(Encoding.Latin1.GetBytes(line + file.Path));
            return ValueTask.CompletedTask;
        }).RunAsync(path, cancellationToken);
        return ContentDigest.Format(hash.GetCurrentHash());
    }

    private async Task WriteAsync(TarWriter writer, CancellationToken cancellationToken)
    {
        await new DirectoryWalk(_options.IsRoot, (file, token) => AddAsync(writer, file, token)).RunAsync(_path, cancellationToken);
        await writer.FinishAsync(cancellationToken);
    }

    private async ValueTask AddAsync(TarWriter writer, WalkedFile file, CancellationToken cancellationToken)
    {
        var status = file.Status;
        if (status.Kind == FileKind.Socket) return;
        if (status.Kind is FileKind.Fifo or FileKind.CharacterDevice or FileKind.BlockDevice && !_options.IsRoot)
            throw new InvalidDataException($"'{FileName.Show(file.Path)}' is a device or a named pipe, which only a root file system may have.");
        if (!status.IsDirectory && status.Links > 1 && !_linked.TryAdd((status.Inode, status.FileSystem), file.Path))
        {
            await writer.WriteHeaderAsync(new TarEntry { Type = EntryType.HardLink, Name = file.Path, LinkName = _linked[(status.Inode, status.FileSystem)] }, cancellationToken);
            return;
        }

        var entry = new TarEntry
        {
            Type = TypeOf(status.Kind),
            Name = status.IsDirectory ? (file.Path.Length == 0 ? "./" : file.Path + "/") : file.Path,
            LinkName = status.Kind == FileKind.SymbolicLink ? file.Directory.ReadLink(file.Name) : "",
            Attributes = new EntryAttributes(status.Mode & 0xFFF, status.UserId, status.GroupId, status.Modified.Seconds),
            Size = status.IsRegular ? status.Length : 0,
            DeviceMajor = status.Device.Major,
            DeviceMinor = status.Device.Minor,
            ExtendedAttributes = _options.IsRoot ? BlockImageAttributes.Keep(file.Directory.ExtendedAttributes(file.Name)) : [],
        };
        if (status.IsRegular) await CopyAsync(writer, file, entry, cancellationToken);
        else await writer.WriteHeaderAsync(entry, cancellationToken);
    }

    private async Task CopyAsync(TarWriter writer, WalkedFile file, TarEntry entry, CancellationToken cancellationToken)
    {
        if (entry.Size > _options.MaxBytes - _written) throw new InvalidDataException($"Its files have more than the {_options.MaxBytes} bytes that are allowed.");
        using var handle = file.Directory.OpenFile(file.Name);
        if (FileStatus.Of(handle) != file.Status) throw Changed(file);
        await writer.WriteHeaderAsync(entry, cancellationToken);
        await using var content = new HandleStream(handle, 0, entry.Size);
        var buffer = new byte[128 * 1024];
        while (await content.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            await writer.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            _progress(_written += read);
        }

        if (FileStatus.Of(handle) != file.Status) throw Changed(file);
    }

    private static InvalidDataException Changed(WalkedFile file) => new($"'{FileName.Show(file.Path)}' changed while it was read. Let nobody write into the directory until the execution has started.");

    private static EntryType TypeOf(FileKind kind) => kind switch
    {
        FileKind.Directory => EntryType.Directory,
        FileKind.SymbolicLink => EntryType.SymbolicLink,
        FileKind.CharacterDevice => EntryType.CharacterDevice,
        FileKind.BlockDevice => EntryType.BlockDevice,
        FileKind.Fifo => EntryType.Fifo,
        _ => EntryType.File,
    };
}
