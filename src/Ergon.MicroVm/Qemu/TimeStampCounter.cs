using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Ergon.Linux;

namespace Ergon.MicroVm.Qemu;

/// <summary>The rate of this machine's time stamp counter, which a translated guest sees as its own.</summary>
internal static class TimeStampCounter
{
    private const int PageBytes = 4096;
    private const int Readings = 16;
    private const int ReadAndWrite = 3;
    private const int ReadAndExecute = 5;
    private const int PrivateAnonymous = 0x22;

    private static readonly TimeSpan Measured = TimeSpan.FromMilliseconds(100);
    private static readonly Lock Measuring = new();
    private static Task<long>? rate;

    /// <summary>Measures it, once, within 0.1 s; in kHz. 0 where the processor has no such counter.</summary>
    public static Task<long> KilohertzAsync()
    {
        lock (Measuring) return rate ??= MeasureAsync();
    }

    private static async Task<long> MeasureAsync()
    {
        if (!X86Base.X64.IsSupported) return 0;
        var page = MakeReader();
        try
        {
            var (ticks, time) = ReadBoth(page);
            await Task.Delay(Measured, TimeProvider.System);
            var (ticksAfter, timeAfter) = ReadBoth(page);
            return (long)((ticksAfter - ticks) / Stopwatch.GetElapsedTime(time, timeAfter).TotalMilliseconds);
        }
        finally
        {
            _ = Libc.UnmapMemory(page, PageBytes);
        }
    }

    // The counter and the clock at one time. Another process may run between the two readings, so the closest pair of several is taken.
    private static (ulong Ticks, long Time) ReadBoth(nint page)
    {
        var (best, closest) = ((Ticks: 0UL, Time: 0L), long.MaxValue);
        for (var i = 0; i < Readings; i++)
        {
            var (before, ticks, after) = (Stopwatch.GetTimestamp(), Read(page), Stopwatch.GetTimestamp());
            if (after - before < closest) (best, closest) = ((ticks, before), after - before);
        }

        return best;
    }

    private static unsafe ulong Read(nint page) => ((delegate* unmanaged<ulong>)page)();

    // The runtime has no intrinsic for it: rdtsc; shl rdx, 32; or rax, rdx; ret.
    private static unsafe nint MakeReader()
    {
        ReadOnlySpan<byte> code = [0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xc3];
        var page = Libc.MapMemory(0, PageBytes, ReadAndWrite, PrivateAnonymous, -1, 0);
        if (page == -1) throw new LinuxException("map memory", Marshal.GetLastPInvokeError());
        code.CopyTo(new Span<byte>((void*)page, PageBytes));
        Libc.Check(Libc.ProtectMemory(page, PageBytes, ReadAndExecute), "make memory executable");
        return page;
    }
}
