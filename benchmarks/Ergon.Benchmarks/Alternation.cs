using System.Diagnostics;

namespace Ergon.Benchmarks;

/// <summary>
/// Measures contenders in turns, A B A B ..., so that a machine whose speed drifts drifts for all of them.
/// </summary>
internal static class Alternation
{
    // Enough for the compiler to have done its work: what is measured is the steady state.
    private const int WarmUps = 20;

    public static async Task<IReadOnlyList<Measurement>> MeasureAsync(IReadOnlyList<Contender> contenders, int rounds, int concurrency)
    {
        foreach (var contender in contenders)
            for (var i = 0; i < WarmUps; i++) await contender.RunOnce();

        var samples = contenders.Select(_ => new Samples()).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < contenders.Count; i++)
            {
                // The order is turned round every time: nobody is always the one who finds the caches warm.
                var turn = round % 2 == 0 ? i : contenders.Count - 1 - i;
                await samples[turn].AddAsync(contenders[turn].RunOnce, concurrency);
            }
        }

        return [.. contenders.Select((c, i) => samples[i].ToMeasurement(c.Name))];
    }

    private sealed class Samples
    {
        private readonly List<double> _milliseconds = [];
        private TimeSpan _cpu;
        private TimeSpan _wall;
        private long _allocated;

        public async Task AddAsync(Func<Task> run, int concurrency)
        {
            var cpu = Environment.CpuUsage.TotalTime;
            var allocated = GC.GetTotalAllocatedBytes();
            var begun = Stopwatch.GetTimestamp();
            var times = await Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => TimeAsync(run)));
            _wall += Stopwatch.GetElapsedTime(begun);
            _allocated += GC.GetTotalAllocatedBytes() - allocated;
            _cpu += Environment.CpuUsage.TotalTime - cpu;
            _milliseconds.AddRange(times);
        }

        public Measurement ToMeasurement(string name) => new(
            name,
            [.. _milliseconds],
            _cpu.TotalMilliseconds / _milliseconds.Count,
            _allocated / 1024.0 / _milliseconds.Count,
            _milliseconds.Count / _wall.TotalSeconds);

        private static async Task<double> TimeAsync(Func<Task> run)
        {
            var begun = Stopwatch.GetTimestamp();
            await run();
            return Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        }
    }
}
