namespace Ergon.Benchmarks;

/// <summary>Processor time, by who has used it.</summary>
/// <param name="Client">The benchmark's own process, which is the library's client.</param>
/// <param name="Commands">Every process that it has started: a command line client, runc, a supervisor.</param>
/// <param name="Engine">The Docker Engine: dockerd, containerd, shims and what these start, without the containers.</param>
internal readonly record struct CpuTimes(TimeSpan Client, TimeSpan Commands, TimeSpan Engine)
{
    public static CpuTimes operator +(CpuTimes a, CpuTimes b) => new(a.Client + b.Client, a.Commands + b.Commands, a.Engine + b.Engine);

    public static CpuTimes operator -(CpuTimes a, CpuTimes b) => new(a.Client - b.Client, a.Commands - b.Commands, a.Engine - b.Engine);
}

/// <summary>Reads the processor time of the client, of its commands and of the Docker Engine.</summary>
internal sealed class CpuMeter(string dockerHost) : IDisposable
{
    private readonly CpuGroup? _own = CpuGroup.TryMake("ergon-benchmark", [Environment.ProcessId]);
    private readonly CpuGroup? _engine = CpuGroup.TryMakeOfEngine(dockerHost);

    public CpuTimes Read()
    {
        var client = Environment.CpuUsage.TotalTime;
        return new CpuTimes(client, _own is null ? TimeSpan.Zero : _own.Usage - client, _engine?.Usage ?? TimeSpan.Zero);
    }

    public void Dispose()
    {
        _engine?.Dispose();
        _own?.Dispose();
    }
}
