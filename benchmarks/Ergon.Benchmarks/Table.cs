using System.Text;

namespace Ergon.Benchmarks;

/// <summary>Measurements as a Markdown table, each beside the first.</summary>
internal static class Table
{
    private const string Header = """
        | | runs | p50 ms | p95 ms | p99 ms | runs/s | client CPU ms/run | its commands' | the Engine's | allocated KB/run | p50 ratio | runs/s ratio |
        |---|---|---|---|---|---|---|---|---|---|---|---|

        """;

    public static string Of(string title, IReadOnlyList<Measurement> measurements)
    {
        var text = new StringBuilder($"\n### {title}\n\n{Header}");
        var floor = measurements[0];
        foreach (var m in measurements)
        {
            text.Append($"| {m.Name} | {m.Milliseconds.Length} | {m.P50:0.0} | {m.P95:0.0} | {m.P99:0.0} | {m.RunsPerSecond:0.0} ");
            text.Append($"| {m.PerRun(m.Cpu.Client):0.00} | {m.PerRun(m.Cpu.Commands):0.0} | {m.PerRun(m.Cpu.Engine):0.0} | {m.AllocatedKbPerRun:0} ");
            text.Append($"| {m.P50 / floor.P50:0.000} | {m.RunsPerSecond / floor.RunsPerSecond:0.000} |\n");
        }

        return text.ToString();
    }
}
