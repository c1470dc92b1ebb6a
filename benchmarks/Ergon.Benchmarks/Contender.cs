namespace Ergon.Benchmarks;

/// <summary>One way to run the same job.</summary>
internal sealed record Contender(string Name, Func<Task> RunOnce)
{
    /// <summary>Removes what a run has left; not measured.</summary>
    public Func<Task> CleanUp { get; init; } = static () => Task.CompletedTask;
}

/// <summary>What one contender was measured to take.</summary>
internal sealed record Measurement(string Name, double[] Milliseconds, CpuTimes Cpu, double AllocatedKbPerRun, double RunsPerSecond)
{
    public double P50 => Percentile(0.50);

    public double P95 => Percentile(0.95);

    public double P99 => Percentile(0.99);

    public double Percentile(double p)
    {
        var sorted = Milliseconds.Order().ToArray();
        return sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(p * sorted.Length) - 1)];
    }

    // Never below nothing: the commands' time is a difference of two that are not read at one moment.
    public double PerRun(TimeSpan cpu) => Math.Max(0, cpu.TotalMilliseconds) / Milliseconds.Length;
}

/// <summary>What all contenders were measured to take at one number of runs at one time.</summary>
internal sealed record Level(int Concurrency, IReadOnlyList<Measurement> Measurements)
{
    public string Name => Concurrency == 1 ? "one at a time" : $"{Concurrency} at a time";
}
