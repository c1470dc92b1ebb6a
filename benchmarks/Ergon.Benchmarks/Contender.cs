namespace Ergon.Benchmarks;

/// <summary>One way to run the same job.</summary>
internal sealed record Contender(string Name, Func<Task> RunOnce);

/// <summary>What one contender was measured to take.</summary>
internal sealed record Measurement(string Name, double[] Milliseconds, double CpuMsPerRun, double AllocatedKbPerRun, double RunsPerSecond)
{
    public double P50 => Percentile(0.50);

    public double P95 => Percentile(0.95);

    public double Percentile(double p)
    {
        var sorted = Milliseconds.Order().ToArray();
        return sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(p * sorted.Length) - 1)];
    }
}
