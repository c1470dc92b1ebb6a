namespace Ergon.Benchmarks;

/// <summary>The results as a page with its plots, in a directory; each suite is added as soon as it has ended.</summary>
internal sealed class ResultsFile(string directory)
{
    private string Path => System.IO.Path.Combine(directory, "results.md");

    /// <summary>Begins the page, unless it is there: what another process has measured is before.</summary>
    public async Task BeginAsync()
    {
        Directory.CreateDirectory(directory);
        if (File.Exists(Path)) return;
        var processor = (await File.ReadAllLinesAsync("/proc/cpuinfo")).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim();
        var system = (await File.ReadAllLinesAsync("/etc/os-release")).FirstOrDefault(l => l.StartsWith("PRETTY_NAME=", StringComparison.Ordinal))?.Split('"')[1];
        var kernel = (await File.ReadAllTextAsync("/proc/sys/kernel/osrelease")).Trim();
        var load = (await File.ReadAllTextAsync("/proc/loadavg")).Split(' ')[0];
        await File.WriteAllTextAsync(Path, $"""
            # Results

            Written by `scripts/benchmark`; [performance](../performance.md) says what they mean.

            | | |
            |---|---|
            | date | {TimeProvider.System.GetUtcNow():yyyy-MM-dd HH:mm} UTC |
            | machine | {Environment.ProcessorCount} x {processor}, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 30} GiB |
            | system | {system}, Linux {kernel} |
            | runtime | .NET {Environment.Version} |
            | load before | {load} |

            In every table: client CPU and what is allocated are the benchmark process's own; *its commands'* is the processor time of all that it starts (command line
            clients, runc, supervisors); *the Engine's* that of dockerd, containerd, shims and what these start, without the containers.

            """);
    }

    public async Task AddAsync(Section section)
    {
        foreach (var plot in section.Plots) await File.WriteAllTextAsync(System.IO.Path.Combine(directory, plot.FileName), plot.Svg);
        await File.AppendAllTextAsync(Path, section.Text);
    }
}
