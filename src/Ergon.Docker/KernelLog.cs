using System.Runtime.InteropServices;
using System.Text;

namespace Ergon.Docker;

/// <summary>
/// The kernel's log of this machine. The Engine hears of an out-of-memory kill from a watcher that loses the race against the removal of
/// a container that ended by it, some times in a hundred on a busy machine; the kernel's own words are then the only evidence.
/// </summary>
internal static partial class KernelLog
{
    // syslog(2)
    private const int ReadAll = 3;
    private const int SizeBuffer = 10;

    /// <summary>Whether the kernel killed in a container because its memory limit was reached. No, where its log cannot be read.</summary>
    public static bool TellsOutOfMemory(string container)
    {
        if (!OperatingSystem.IsLinux() || SysLog(SizeBuffer, null, 0) is not (> 0 and var size)) return false;
        var buffer = new byte[size];
        var length = SysLog(ReadAll, buffer, size);
        return length > 0 && TellsOutOfMemory(Encoding.UTF8.GetString(buffer, 0, length), container);
    }

    /// <summary>Looks for the kill in a log.</summary>
    internal static bool TellsOutOfMemory(ReadOnlySpan<char> log, string container)
    {
        foreach (var line in log.EnumerateLines())
        {
            // It must be the container's own limit, not the whole machine's memory that was used up: oom_memcg=/docker/ID,task_memcg=...
            // Before Linux 5.0: Task in /docker/ID killed as a result of limit of /docker/ID
            var limit = After(After(line, "oom-kill:"), "oom_memcg=");
            if (limit.IsEmpty) limit = After(line, " killed as a result of limit of ");
            var end = limit.IndexOf(',');
            if ((end < 0 ? limit : limit[..end]).Contains(container, StringComparison.Ordinal)) return true;
        }

        return false;
    }

    private static ReadOnlySpan<char> After(ReadOnlySpan<char> text, string mark)
    {
        var at = text.IndexOf(mark, StringComparison.Ordinal);
        return at < 0 ? [] : text[(at + mark.Length)..];
    }

    [LibraryImport("libc", EntryPoint = "klogctl")]
    private static partial int SysLog(int type, byte[]? buffer, int length);
}
