namespace Ergon.Benchmarks;

/// <summary>One way to have a guest, and how long it took each time.</summary>
internal sealed record VmContender(string Name, Func<Task<VmRun>> RunAsync)
{
    public List<VmRun> Runs { get; } = [];

    public double FirstByte(double p) => Percentile(r => r.FirstByte.TotalMilliseconds, p);

    public double End(double p) => Percentile(r => r.End.TotalMilliseconds, p);

    /// <summary>The median of the sum of some steps; 0 for a contender that has no such steps.</summary>
    public double Phase(params string[] names) => Percentile(r => names.Sum(n => r.Phases.GetValueOrDefault(n)), 0.5);

    private double Percentile(Func<VmRun, double> value, double p)
    {
        var sorted = Runs.Select(value).Order().ToArray();
        return sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(p * sorted.Length) - 1)];
    }
}
