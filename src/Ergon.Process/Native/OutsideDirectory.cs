using System.Runtime.Versioning;
using Ergon.Linux;

namespace Ergon.Process.Native;

/// <summary>
/// Where a job without a sandbox works: in the system's temporary directory, since the executor's own data are closed to the job's user.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class OutsideDirectory
{
    private const UnixFileMode Passable = (UnixFileMode)0x1ed; // 0755
    private const UnixFileMode OwnerOnly = (UnixFileMode)0x1c0; // 0700
    private const string RecordName = "outside";

    private OutsideDirectory(string path) => Path = path;

    /// <summary>The directory itself, which only Ergon can change.</summary>
    public string Path { get; }

    /// <summary>The job's own directory in it.</summary>
    public string Home => System.IO.Path.Combine(Path, "home");

    /// <summary>Makes the directory, and leaves word of it where a later process finds it.</summary>
    public static OutsideDirectory Create(string workDirectory, UserIdentity? owner)
    {
        var directory = new OutsideDirectory(Directory.CreateTempSubdirectory("ergon-job-").FullName);
        try
        {
            File.WriteAllText(System.IO.Path.Combine(workDirectory, RecordName), directory.Path);
            File.SetUnixFileMode(directory.Path, Passable);
            Directory.CreateDirectory(directory.Home, OwnerOnly);
            if (owner is not null) Libc.Check(Libc.ChangeOwner(directory.Home, owner.Uid, owner.Gid), $"give {directory.Home} to user {owner.Uid}");
            return directory;
        }
        catch
        {
            directory.Delete();
            throw;
        }
    }

    /// <summary>The directory that a former process made; <see langword="null"/> when it made none.</summary>
    public static OutsideDirectory? Find(string workDirectory) =>
        CgroupText.Read(System.IO.Path.Combine(workDirectory, RecordName)) is { Length: > 0 } path ? new OutsideDirectory(path) : null;

    /// <summary>Deletes the directory with everything in it.</summary>
    public void Delete()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
        }
    }
}
