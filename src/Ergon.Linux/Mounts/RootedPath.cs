using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>Opens files below a directory as a process would whose root directory that is: no link leads out (5.6).</summary>
internal static unsafe class RootedPath
{
    private const int InRoot = 0x10;
    private const int FirstBytes = 4 * 1024;
    private const int MostBytes = 1024 * 1024;

    public static SafeFileHandle Open(SafeFileHandle root, string path, int flags)
    {
        using var arena = new NativeArena();
        var how = (long*)arena.Allocate(3 * sizeof(long)); // struct open_how: flags, mode, resolve
        (how[0], how[2]) = (flags | Libc.CloseOnExec, InRoot);
        var file = Libc.Check(
            Libc.SystemCall(SystemCallNumbers.OpenAtResolved, Descriptors.Number(root), arena.Text(path), (nint)how, 3 * sizeof(long), 0), $"open {path}");
        return new SafeFileHandle(file, ownsHandle: true);
    }

    /// <summary>The text of a file of at most 1 MiB; <see langword="null"/> when it cannot be read.</summary>
    public static string? ReadText(SafeFileHandle root, string path)
    {
        try
        {
            using var file = Open(root, path, Libc.ReadOnly | Libc.NonBlocking);
            var buffer = new byte[FirstBytes];
            var length = 0;
            while (RandomAccess.Read(file, buffer.AsSpan(length), length) is > 0 and var count)
            {
                length += count;
                if (length == MostBytes) break;
                if (length == buffer.Length) Array.Resize(ref buffer, Math.Min(4 * length, MostBytes));
            }

            return System.Text.Encoding.UTF8.GetString(buffer, 0, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }
}
