namespace Ergon.Runc.Bundles;

/// <summary>
/// A layer that all containers have above those of their image: what runc mounts on. It would make that in the upper layer of each container otherwise,
/// where it has to be removed again.
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal static class MountPointsLayer
{
    private static readonly string[] Directories = ["dev", "etc", "proc", "sys"];
    private static readonly string[] Files = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

    /// <summary>Makes it, unless it is there.</summary>
    /// <param name="cache">Where things are kept that can be made again.</param>
    /// <returns>Its directory.</returns>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>: it cannot be made.</exception>
    public static string Make(string cache)
    {
        var path = Path.Combine(cache, "mountpoints");
        try
        {
            // Whatever the umask of this process is; another process may be doing the same.
            foreach (var directory in Directories.Prepend("")) Set(Directory.CreateDirectory(Path.Combine(path, directory)).FullName, (UnixFileMode)0x1ED); // 0755
            foreach (var file in Files.Select(name => Path.Combine(path, name)))
            {
                File.Open(file, FileMode.OpenOrCreate, FileAccess.Read, FileShare.ReadWrite).Dispose();
                Set(file, (UnixFileMode)0x1A4); // 0644
            }

            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"The cache {cache} cannot be used: {e.Message} Check its permissions and its free space.", innerException: e);
        }
    }

    private static void Set(string path, UnixFileMode mode)
    {
        if (File.GetUnixFileMode(path) != mode) File.SetUnixFileMode(path, mode);
    }
}
