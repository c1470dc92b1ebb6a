namespace Ergon.Benchmarks;

/// <summary>An SVG file beside the results.</summary>
internal sealed record Plot(string FileName, string Svg);

/// <summary>What one suite has to say: Markdown, and the plots that it shows.</summary>
internal sealed record Section(string Text, params IReadOnlyList<Plot> Plots)
{
    public static implicit operator Section(string text) => new(text);

    /// <summary>The tables of all levels, with a plot of the times and one of the throughput.</summary>
    public static Section Of(string title, string name, IReadOnlyList<Level> levels)
    {
        var single = levels[0].Measurements;
        var rates = single.Select((m, i) => new Series(m.Name, [.. levels.Select(l => l.Measurements[i].RunsPerSecond)]));
        Plot[] plots =
        [
            new($"{name}-latency.svg", Svg.Bars($"{title}: p50 of one at a time, ms", [.. single.Select(m => (m.Name, m.P50))])),
            new($"{name}-throughput.svg", Svg.Lines($"{title}: executions a second, by how many at a time", [.. levels.Select(l => $"{l.Concurrency}")], [.. rates])),
        ];
        var tables = string.Concat(levels.Select(l => Table.Of($"{title}, {l.Name}", l.Measurements)));
        return new Section($"\n## {title}\n\n{string.Concat(plots.Select(p => $"![{title}]({p.FileName})\n"))}{tables}", plots);
    }
}
