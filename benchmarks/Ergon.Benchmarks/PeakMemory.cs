using System.Globalization;

namespace Ergon.Benchmarks;

/// <summary>The most resident memory of this process since it was last asked for.</summary>
internal sealed class PeakMemory
{
    private const int OfPeak = 5;
    private double _mebibytes;

    /// <summary>The highest of all runs, in MiB.</summary>
    public double MiB => _mebibytes;

    /// <summary>Runs something and notes how high the memory was meanwhile.</summary>
    public async Task DuringAsync(Func<Task> run)
    {
        await File.WriteAllTextAsync("/proc/self/clear_refs", $"{OfPeak}");
        await run();
        var line = (await File.ReadAllLinesAsync("/proc/self/status")).First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        _mebibytes = Math.Max(_mebibytes, double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024);
    }
}
