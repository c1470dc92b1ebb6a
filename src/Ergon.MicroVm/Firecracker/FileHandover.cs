using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Firecracker;

/// <summary>
/// Files that are opened here and handed to a process, which opens them again by the number: so it needs no access to the directories that
/// they lie in.
/// </summary>
internal sealed class FileHandover : IDisposable
{
    private const int FirstDescriptor = 3;

    private readonly List<SafeFileHandle> _handles = [];

    public IReadOnlyList<SafeFileHandle> Handles => _handles;

    /// <summary>Opens a file and returns the path under which the process opens it.</summary>
    public string Open(string path, bool readOnly)
    {
        _handles.Add(File.OpenHandle(path, FileMode.Open, readOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite));
        return $"/proc/self/fd/{FirstDescriptor + _handles.Count - 1}";
    }

    public void Dispose()
    {
        foreach (var handle in _handles) handle.Dispose();
    }
}
