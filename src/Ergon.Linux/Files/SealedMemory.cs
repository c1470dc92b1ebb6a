using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>Files that are nowhere but in memory, and that nobody can change any more, whoever gets them.</summary>
internal static unsafe class SealedMemory
{
    private const nint CloseOnExec = 1;
    private const nint AllowSealing = 2;
    private const nint Executable = 0x10; // since 6.3; before that every one is
    private const int AddSeals = 1033;
    private const nint SealShrinkGrowWriteAndSeals = 0xF;

    /// <summary>Makes one of a resource of an assembly.</summary>
    /// <param name="name">What it is called in <c>/proc</c>.</param>
    /// <param name="assembly">The assembly.</param>
    /// <param name="resource">The resource's name.</param>
    public static SafeFileHandle Create(string name, Assembly assembly, string resource)
    {
        using var stream = assembly.GetManifestResourceStream(resource)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return Create(name, content);
    }

    /// <summary>Makes one; its descriptor has a number that no spawned program gets.</summary>
    /// <param name="name">What it is called in <c>/proc</c>.</param>
    /// <param name="content">What is in it.</param>
    public static SafeFileHandle Create(string name, ReadOnlySpan<byte> content)
    {
        using var arena = new NativeArena();
        var text = arena.Text(name);
        var descriptor = Libc.SystemCall(SystemCallNumbers.CreateMemoryFile, text, CloseOnExec | AllowSealing | Executable, 0, 0, 0);
        if (descriptor < 0 && Marshal.GetLastPInvokeError() == Errno.Invalid)
            descriptor = Libc.SystemCall(SystemCallNumbers.CreateMemoryFile, text, CloseOnExec | AllowSealing, 0, 0, 0);
        using var file = new SafeFileHandle(Libc.Check(descriptor, $"make the file {name} in memory"), ownsHandle: true);
        RandomAccess.Write(file, content, 0);
        Libc.Check(Libc.Fcntl(Descriptors.Number(file), AddSeals, SealShrinkGrowWriteAndSeals), $"seal the file {name} in memory");
        return Descriptors.DuplicateHigh(Descriptors.Number(file));
    }
}
