using System.Net;
using System.Text;

namespace Ergon.Benchmarks;

/// <summary>One line of a plot: a value for each place of the horizontal axis.</summary>
internal sealed record Series(string Name, IReadOnlyList<double> Values);

/// <summary>Writes small plots that can be read on a light and on a dark page.</summary>
internal static class Svg
{
    private const int Width = 720;
    private const int LabelWidth = 230;
    private const int RowHeight = 26;
    private static readonly string[] Colors = ["#8b949e", "#4493f8", "#3fb950", "#d29922", "#db61a2", "#ab7df8"];

    /// <summary>A horizontal bar for each value.</summary>
    public static string Bars(string title, IReadOnlyList<(string Name, double Value)> bars)
    {
        var largest = bars.Max(b => b.Value);
        var body = new StringBuilder();
        for (var i = 0; i < bars.Count; i++)
        {
            var (name, value) = bars[i];
            var (y, length) = (44 + i * RowHeight, value / largest * (Width - LabelWidth - 80));
            body.Append($"""<text x="{LabelWidth - 8}" y="{y + 14}" text-anchor="end">{WebUtility.HtmlEncode(name)}</text>""");
            body.Append($"""<rect x="{LabelWidth}" y="{y}" width="{length:0.0}" height="18" rx="2" fill="{ColorOf(name, i)}"/>""");
            body.Append($"""<text x="{LabelWidth + length + 6:0.0}" y="{y + 14}">{Number(value)}</text>{'\n'}""");
        }

        return Document(title, 56 + bars.Count * RowHeight, body.ToString());
    }

    /// <summary>A line for each series, over the places of the horizontal axis.</summary>
    public static string Lines(string title, IReadOnlyList<string> places, IReadOnlyList<Series> series)
    {
        const int left = 50, top = 44, height = 220, right = Width - LabelWidth - 20;
        var largest = series.Max(s => s.Values.Max());
        double X(int i) => left + (right - left) * i / Math.Max(1.0, places.Count - 1);
        double Y(double value) => top + height * (1 - value / largest);
        var body = new StringBuilder();
        foreach (var share in (double[])[0, 0.25, 0.5, 0.75, 1])
        {
            var y = Y(largest * share);
            body.Append($"""<line class="grid" x1="{left}" x2="{right}" y1="{y:0.0}" y2="{y:0.0}"/><text x="{left - 6}" y="{y + 4:0.0}" text-anchor="end">{Number(largest * share)}</text>""");
        }

        for (var i = 0; i < places.Count; i++) body.Append($"""<text x="{X(i):0.0}" y="{top + height + 20}" text-anchor="middle">{places[i]}</text>""");
        for (var i = 0; i < series.Count; i++)
        {
            var (name, values) = (series[i].Name, series[i].Values);
            var color = ColorOf(name, i);
            body.Append($"""{'\n'}<polyline fill="none" stroke="{color}" stroke-width="2.5" points="{string.Join(' ', values.Select((v, p) => $"{X(p):0.0},{Y(v):0.0}"))}"/>""");
            foreach (var (value, place) in values.Select((v, p) => (v, p))) body.Append($"""<circle cx="{X(place):0.0}" cy="{Y(value):0.0}" r="3.5" fill="{color}"/>""");
            body.Append($"""<rect x="{right + 20}" y="{top + i * 22}" width="12" height="12" rx="2" fill="{color}"/><text x="{right + 38}" y="{top + 11 + i * 22}">{WebUtility.HtmlEncode(name)}</text>""");
        }

        return Document(title, top + height + 34, body.ToString());
    }

    // Ergon has the same color everywhere.
    private static string ColorOf(string name, int index) => name.StartsWith("Ergon", StringComparison.Ordinal) && !name.EndsWith("Docker", StringComparison.Ordinal) ? "#f0883e" : Colors[index % Colors.Length];

    private static string Number(double value) => value switch { >= 100 => $"{value:0}", >= 10 => $"{value:0.0}", _ => $"{value:0.##}" };

    private static string Document(string title, int height, string body) => $$"""
        <svg xmlns="http://www.w3.org/2000/svg" width="{{Width}}" height="{{height}}" viewBox="0 0 {{Width}} {{height}}" role="img" aria-label="{{WebUtility.HtmlEncode(title)}}">
        <style>
        text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 14px } .grid { stroke: #d1d9e0 }
        @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .grid { stroke: #3d444d } }
        </style>
        <text class="title" x="10" y="22">{{WebUtility.HtmlEncode(title)}}</text>
        {{body}}
        </svg>

        """;
}
