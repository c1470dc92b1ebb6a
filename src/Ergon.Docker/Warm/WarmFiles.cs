using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Ergon.Docker.Warm;

/// <summary>The files by which a waiting container is told what to become; the container sees them read-only. See <c>idle-init.c</c>.</summary>
internal sealed class WarmFiles
{
    /// <summary>Where they appear inside.</summary>
    public const string Target = "/dev/.ergon";

    /// <summary>The idle process, as the container knows it.</summary>
    public const string Program = Target + "/idle";

    private const string Resource = "idle-init-x86_64";
    private const UnixFileMode ForAll = (UnixFileMode)0b111_101_101;
    private const UnixFileMode Writable = (UnixFileMode)0b110_110_110;
    private const int MaxCommand = 1 << 20;
    private const int MaxStrings = 1 << 15;

    private static readonly string[] Names = ["idle", "socket", "command", "command.new"];

    private WarmFiles(string directory) => Directory = directory;

    /// <summary>The directory that they are in.</summary>
    public string Directory { get; }

    /// <summary>Where the idle process connects to.</summary>
    public string SocketPath => Path.Combine(Directory, "socket");

    private string CommandPath => Path.Combine(Directory, "command");

    /// <summary>Whether the idle process runs here.</summary>
    public static bool CanBeUsed => OperatingSystem.IsLinux() && RuntimeInformation.OSArchitecture == Architecture.X64;

    /// <summary>Makes the files of one container.</summary>
    /// <param name="root">A directory that nobody else may enter.</param>
    public static WarmFiles Create(string root)
    {
        var files = new WarmFiles(Path.Combine(root, Guid.NewGuid().ToString("n")));
        System.IO.Directory.CreateDirectory(files.Directory);
        SetMode(files.Directory, ForAll);
        var program = Path.Combine(files.Directory, "idle");
        using (var resource = typeof(WarmFiles).Assembly.GetManifestResourceStream(Resource)!)
        using (var file = File.Create(program)) resource.CopyTo(file);
        SetMode(program, ForAll);
        return files;
    }

    /// <summary>The files of a container that was made before.</summary>
    public static WarmFiles At(string directory) => new(directory);

    /// <summary>Whether the container has been told what to become: it has, or will, even if nobody waits for it any more.</summary>
    public bool HasCommand => File.Exists(CommandPath);

    /// <summary>Whether a command can be told in this way.</summary>
    public static bool CanTell(IReadOnlyList<string> arguments, IReadOnlyList<string> variables) =>
        arguments.Count <= MaxStrings && variables.Count <= MaxStrings && arguments.Concat(variables).Sum(text => Encoding.UTF8.GetByteCount(text) + 1L) < MaxCommand - 64;

    /// <summary>Lets anybody connect who sees the socket.</summary>
    public void OpenSocket() => SetMode(SocketPath, Writable);

    /// <summary>Says what to become, from one moment to the next.</summary>
    public void Tell(IReadOnlyList<string> arguments, IReadOnlyList<string> variables)
    {
        using (var file = File.Create(CommandPath + ".new"))
        {
            Span<byte> counts = stackalloc byte[8];
            BinaryPrimitives.WriteInt32LittleEndian(counts, arguments.Count);
            BinaryPrimitives.WriteInt32LittleEndian(counts[4..], variables.Count);
            file.Write(counts);
            foreach (var text in arguments.Concat(variables))
            {
                file.Write(Encoding.UTF8.GetBytes(text));
                file.WriteByte(0);
            }
        }

        SetMode(CommandPath + ".new", Writable);
        File.Move(CommandPath + ".new", CommandPath);
    }

    /// <summary>Forgets what was told, and not that something was.</summary>
    public void Forget() => File.WriteAllBytes(CommandPath, []);

    /// <summary>Gives a file or directory a mode, whatever the mask of this process is.</summary>
    public static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, mode);
    }

    /// <summary>Deletes them, and nothing else, whatever the directory may be.</summary>
    public void Delete()
    {
        try
        {
            foreach (var name in Names) File.Delete(Path.Combine(Directory, name));
            System.IO.Directory.Delete(Directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone already, or not what it was thought to be.
        }
    }
}
