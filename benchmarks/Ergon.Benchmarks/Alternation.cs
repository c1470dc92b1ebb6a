using System.Diagnostics;

namespace Ergon.Benchmarks;

/// <summary>
/// Measures contenders in turns, A B B A ..., so that a machine whose speed drifts drifts for all of them.
/// </summary>
internal sealed class Alternation(CpuMeter cpu)
{
    // Enough for the compiler to have done its work: what is measured is the steady state.
    private const int WarmUps = 20;

    // Fewer rounds where a round has many runs.
    private static readonly (int Concurrency, int Share)[] Levels = [(1, 1), (4, 5), (16, 10), (64, 20)];

    /// <summary>Measures at 1, 4, 16 and 64 runs at one time.</summary>
    public async Task<IReadOnlyList<Level>> MeasureLevelsAsync(IReadOnlyList<Contender> contenders, int rounds)
    {
        await WarmUpAsync(contenders, WarmUps);
        List<Level> levels = [];
        foreach (var (concurrency, share) in Levels)
            levels.Add(new Level(concurrency, await MeasureWarmAsync(contenders, Math.Max(1, rounds / share), concurrency)));
        return levels;
    }

    public async Task<IReadOnlyList<Measurement>> MeasureAsync(IReadOnlyList<Contender> contenders, int rounds, int concurrency = 1, int warmUps = WarmUps)
    {
        await WarmUpAsync(contenders, warmUps);
        return await MeasureWarmAsync(contenders, rounds, concurrency);
    }

    private static async Task WarmUpAsync(IReadOnlyList<Contender> contenders, int warmUps)
    {
        foreach (var contender in contenders)
        {
            for (var i = 0; i < warmUps; i++)
            {
                await contender.RunOnce();
                await contender.CleanUp();
            }
        }
    }

    private async Task<IReadOnlyList<Measurement>> MeasureWarmAsync(IReadOnlyList<Contender> contenders, int rounds, int concurrency)
    {
        var samples = contenders.Select(_ => new Samples(cpu)).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < contenders.Count; i++)
            {
                // The order is turned round every time: nobody is always the one who finds the caches warm.
                var turn = round % 2 == 0 ? i : contenders.Count - 1 - i;
                await samples[turn].AddAsync(contenders[turn].RunOnce, concurrency);
                await contenders[turn].CleanUp();
            }
        }

        return [.. contenders.Select((c, i) => samples[i].ToMeasurement(c.Name))];
    }

    private sealed class Samples(CpuMeter meter)
    {
        private readonly List<double> _milliseconds = [];
        private CpuTimes _cpu;
        private TimeSpan _wall;
        private long _allocated;

        public async Task AddAsync(Func<Task> run, int concurrency)
        {
            var cpu = meter.Read();
            var allocated = GC.GetTotalAllocatedBytes();
            var begun = Stopwatch.GetTimestamp();
            var times = await Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => TimeAsync(run)));
            _wall += Stopwatch.GetElapsedTime(begun);
            _allocated += GC.GetTotalAllocatedBytes() - allocated;
            _cpu += meter.Read() - cpu;
            _milliseconds.AddRange(times);
        }

        public Measurement ToMeasurement(string name) => new(
            name,
            [.. _milliseconds],
            _cpu,
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
