using Ergon.Linux;

namespace Ergon.GuestAgent.Boot;

/// <summary>What a machine that has just begun, or has just been copied, does not have of its own: the time and chance.</summary>
internal static unsafe class GuestClock
{
    private const int RealTime = 0;
    private const int BootTime = 7;
    private const nuint AddEntropy = 0x40085203;
    private const nuint ReseedGenerator = 0x5207;
    private const long NanosecondsPerSecond = 1_000_000_000;

    // Less is the way through the channel; a job need not see its clock step for that.
    private const long Tolerance = 20_000_000;

    /// <summary>The release of the kernel.</summary>
    public static string KernelRelease { get; } = (CgroupText.Read("/proc/sys/kernel/osrelease") ?? "").Trim();

    /// <summary>Nanoseconds since the kernel started.</summary>
    public static long Uptime() => Read(BootTime);

    /// <summary>Sets the clock and feeds the random generator.</summary>
    public static void Set(long nanoseconds, ReadOnlySpan<byte> entropy)
    {
        if (nanoseconds > 0 && Math.Abs(nanoseconds - Read(RealTime)) > Tolerance)
        {
            var time = stackalloc long[2];
            (time[0], time[1]) = (nanoseconds / NanosecondsPerSecond, nanoseconds % NanosecondsPerSecond);
            Libc.Check(Libc.SetClock(RealTime, time), "set the clock");
        }

        if (entropy.IsEmpty) return;
        using var device = Descriptors.Open("/dev/urandom", Libc.WriteOnly);
        using var arena = new NativeArena();
        var pool = (int*)arena.Allocate(2 * sizeof(int) + entropy.Length); // struct rand_pool_info: bits, bytes, then the bytes
        (pool[0], pool[1]) = (entropy.Length * 8, entropy.Length);
        entropy.CopyTo(new Span<byte>(pool + 2, entropy.Length));
        Libc.Check(Libc.Ioctl(Descriptors.Number(device), AddEntropy, pool), "feed the random generator");
        Libc.Check(Libc.Ioctl(Descriptors.Number(device), ReseedGenerator, null), "reseed the random generator");
    }

    /// <summary>Returns when some time has passed, by the kernel's timers.</summary>
    public static void LetPass(TimeSpan span)
    {
        var time = stackalloc long[2];
        (time[0], time[1]) = (0, span.Ticks * TimeSpan.NanosecondsPerTick);
        _ = Libc.Sleep(time, null);
    }

    private static long Read(int clock)
    {
        var time = stackalloc long[2];
        Libc.Check(Libc.GetClock(clock, time), "read the clock");
        return (time[0] * NanosecondsPerSecond) + time[1];
    }
}
