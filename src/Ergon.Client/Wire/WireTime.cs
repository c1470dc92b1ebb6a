using Google.Protobuf.WellKnownTypes;
using WireDuration = Google.Protobuf.WellKnownTypes.Duration;

namespace Ergon.Client.Wire;

/// <summary>Times on the wire. Every <see cref="TimeSpan"/> has a form, also one that no request may hold: that is for the daemon to say.</summary>
internal static class WireTime
{
    private const int NanosecondsPerTick = 100;

    public static WireDuration ToWire(this TimeSpan time) => new()
    {
        Seconds = time.Ticks / TimeSpan.TicksPerSecond,
        Nanos = (int)(time.Ticks % TimeSpan.TicksPerSecond) * NanosecondsPerTick,
    };

    /// <summary>The nearest time span there is.</summary>
    public static TimeSpan FromWire(this WireDuration duration)
    {
        var ticks = ((Int128)duration.Seconds * TimeSpan.TicksPerSecond) + (duration.Nanos / NanosecondsPerTick);
        return new TimeSpan((long)Int128.Clamp(ticks, long.MinValue, long.MaxValue));
    }

    public static Timestamp ToWire(this DateTimeOffset time) => Timestamp.FromDateTimeOffset(time);

    /// <summary>The time; the first there is when the sender left it out or it cannot be.</summary>
    public static DateTimeOffset FromWire(this Timestamp? time)
    {
        if (time is null) return default;
        var ticks = ((Int128)time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanos / NanosecondsPerTick) + DateTimeOffset.UnixEpoch.Ticks;
        return new DateTimeOffset((long)Int128.Clamp(ticks, 0, DateTimeOffset.MaxValue.Ticks), TimeSpan.Zero);
    }

    public static DateTimeOffset? FromWireOrNull(this Timestamp? time) => time is null ? null : time.FromWire();
}
