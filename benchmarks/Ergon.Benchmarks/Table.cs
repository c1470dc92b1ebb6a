using System.Text;

namespace Ergon.Benchmarks;

/// <summary>Measurements as a Markdown table, each beside the first.</summary>
internal static class Table
{
    public static string Of(string title, IReadOnlyList<Measurement> measurements)
    {
        var text = new StringBuilder($"\n### {title}\n\n| | p50 ms | p95 ms | runs/s | client CPU ms/run | allocated KB/run | p50 ratio |\n|---|---|---|---|---|---|---|\n");
        var floor = measurements[0];
        foreach (var m in measurements)
            text.Append($"| {m.Name} | {m.P50:0.0} | {m.P95:0.0} | {m.RunsPerSecond:0.0} | {m.CpuMsPerRun:0.00} | {m.AllocatedKbPerRun:0} | {m.P50 / floor.P50:0.000} |\n");
        return text.ToString();
    }
}
