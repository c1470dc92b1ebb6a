using System.Runtime.Versioning;
using Ergon.Images.Tar;
using Ergon.Linux;

namespace Ergon.Images.Files;

/// <summary>Goes through a directory without ever leaving it: links are seen, not followed.</summary>
[SupportedOSPlatform("linux")]
internal sealed class DirectoryWalk(bool oneFileSystem, Func<WalkedFile, CancellationToken, ValueTask> visit)
{
    // Each level holds a descriptor.
    private const int MaxDepth = 256;

    /// <summary>Visits the directory, and then all that is in it; a directory comes before its content.</summary>
    public async Task RunAsync(string path, CancellationToken cancellationToken)
    {
        using var root = DirectoryHandle.Open(path);
        var status = root.Status;
        await visit(new WalkedFile(root, ".", "", status), cancellationToken);
        await InsideAsync(root, "", status, 1, cancellationToken);
    }

    private async Task InsideAsync(DirectoryHandle directory, string path, FileStatus parent, int depth, CancellationToken cancellationToken)
    {
        if (depth > MaxDepth) throw new InvalidDataException($"The directory '{FileName.Show(path)}' is more than {MaxDepth} levels deep.");
        foreach (var name in directory.Names())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var whole = path.Length == 0 ? name : $"{path}/{name}";
            var status = StatusOf(directory, name, whole);
            await visit(new WalkedFile(directory, name, whole, status), cancellationToken);

            // What is mounted inside is there as an empty directory.
            if (!status.IsDirectory || (oneFileSystem && status.FileSystem != parent.FileSystem)) continue;
            using var inner = directory.OpenDirectory(name);
            await InsideAsync(inner, whole, status, depth + 1, cancellationToken);
        }
    }

    private static FileStatus StatusOf(DirectoryHandle directory, string name, string whole) =>
        directory.TryStatusOf(name) ?? throw new InvalidDataException($"'{FileName.Show(whole)}' went away while the directory was read.");
}

/// <summary>A file as it was met.</summary>
/// <param name="Directory">The directory that has it, for as long as the visit lasts.</param>
/// <param name="Name">Its name there.</param>
/// <param name="Path">Its path from where the walk began; empty for the beginning itself.</param>
/// <param name="Status">What the kernel says about it.</param>
internal readonly record struct WalkedFile(DirectoryHandle Directory, string Name, string Path, FileStatus Status);
