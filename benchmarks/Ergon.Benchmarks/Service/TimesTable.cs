using System.Text;

namespace Ergon.Benchmarks.Service;

/// <summary>Percentiles of times as a Markdown table.</summary>
internal static class TimesTable
{
    public static string Of(string title, IReadOnlyList<(string Name, IReadOnlyList<double> Milliseconds)> rows)
    {
        var text = new StringBuilder($"\n### {title}\n\n| | n | p50 | p95 | p99 | max |\n|---|---|---|---|---|---|\n");
        foreach (var (name, times) in rows)
        {
            var sorted = times.Order().ToArray();
            double At(double p) => sorted.Length == 0 ? double.NaN : sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(p * sorted.Length) - 1)];
            text.Append($"| {name} | {sorted.Length} | {At(0.5):0.0} | {At(0.95):0.0} | {At(0.99):0.0} | {At(1):0.0} |\n");
        }

        return text.ToString();
    }
}
