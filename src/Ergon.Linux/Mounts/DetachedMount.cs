using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>Prepares mounts that are put in their place later, perhaps where the source cannot be seen any more (5.2).</summary>
internal static unsafe class DetachedMount
{
    private const int WorkingDirectory = -100;
    private const int CloneTree = 1;

    /// <summary>A further mount of a directory or file.</summary>
    public static SafeFileHandle Of(string path)
    {
        using var arena = new NativeArena();
        var mount = Libc.Check(
            Libc.SystemCall(SystemCallNumbers.OpenTree, WorkingDirectory, arena.Text(path), CloneTree | Libc.CloseOnExec, 0, 0), $"prepare a mount of {path}");
        return new SafeFileHandle(mount, ownsHandle: true);
    }
}
