namespace Ergon;

/// <summary>How much output of an execution is kept. A job that writes more runs on; the rest is read and dropped.</summary>
public sealed record LogLimits
{
    /// <summary>Bytes kept on disk of each of stdout and stderr, from the beginning.</summary>
    public long MaxBytesPerStream { get; init; } = 256L * 1024 * 1024;

    /// <summary>Bytes of each of stdout and stderr that the result itself carries, from the beginning.</summary>
    public int ResultBytes { get; init; } = 64 * 1024;

    /// <summary>The smaller ones of these limits and an operator's.</summary>
    internal LogLimits Within(LogLimits? most) => most is null
        ? this
        : new LogLimits { MaxBytesPerStream = Math.Min(MaxBytesPerStream, most.MaxBytesPerStream), ResultBytes = Math.Min(ResultBytes, most.ResultBytes) };
}
