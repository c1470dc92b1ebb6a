namespace Ergon.Benchmarks;

/// <summary>How long one guest took, from the call that asked for it.</summary>
internal sealed record VmRun
{
    /// <summary>Until the first byte of output.</summary>
    public required TimeSpan FirstByte { get; init; }

    /// <summary>Until its end was known.</summary>
    public required TimeSpan End { get; init; }

    /// <summary>The steps of the preparation, in milliseconds, by name.</summary>
    public IReadOnlyDictionary<string, double> Phases { get; init; } = new Dictionary<string, double>();
}
