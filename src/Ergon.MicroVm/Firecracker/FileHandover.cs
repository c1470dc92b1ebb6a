using Ergon.Linux;
using Ergon.MicroVm.Vmm;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Firecracker;

/// <summary>
/// Files that are opened here and handed to a process, which opens them again by the number: so it needs no access to the directories that
/// they lie in. It does need access to the files themselves: of one that its user may not read, it gets a copy.
/// </summary>
/// <param name="directory">Where copies are put.</param>
/// <param name="user">The user of the process; <see langword="null"/>: our own.</param>
internal sealed class FileHandover(string directory, UserIdentity? user) : IDisposable
{
    private const int FirstDescriptor = 3;

    private readonly List<SafeFileHandle> _handles = [];

    public IReadOnlyList<SafeFileHandle> Handles => _handles;

    /// <summary>Opens a file that is only read, and returns the path under which the process opens it.</summary>
    public async Task<string> OpenAsync(string path, CancellationToken cancellationToken)
    {
        var handle = File.OpenHandle(path);
        if (user is null || AccessRights.May(user, FileStatus.Of(handle), AccessRights.Read)) return Hand(handle);
        handle.Dispose();
        var copy = Path.Combine(directory, $"file{_handles.Count}");
        await Task.Run(() => File.Copy(path, copy), cancellationToken);
        GiveAway(copy);
        return Hand(File.OpenHandle(copy));
    }

    /// <summary>Opens a file that is also written, gives it to the user, and returns the path under which the process opens it.</summary>
    public string OpenOwn(string path)
    {
        GiveAway(path);
        return Hand(File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite));
    }

    private void GiveAway(string path)
    {
        if (user is not null) Libc.Check(Libc.ChangeOwner(path, user.Uid, user.Gid), $"give {path} to user {user.Uid}");
    }

    private string Hand(SafeFileHandle handle)
    {
        _handles.Add(handle);
        return $"/proc/self/fd/{FirstDescriptor + _handles.Count - 1}";
    }

    public void Dispose()
    {
        foreach (var handle in _handles) handle.Dispose();
    }
}
