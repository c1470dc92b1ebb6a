using BenchmarkDotNet.Attributes;
using Ergon.Logs;

namespace Ergon.MicroBenchmarks;

/// <summary>The output log: a piece appended, and a thousand pieces appended and read.</summary>
public class Log
{
    private const int Pieces = 1000;
    private readonly string _directory = Directory.CreateTempSubdirectory("ergon-benchmark-").FullName;
    private readonly byte[] _piece = new byte[4096];

    [GlobalCleanup]
    public void CleanUp() => Directory.Delete(_directory, recursive: true);

    [Benchmark(OperationsPerInvoke = Pieces)]
    public async Task Append()
    {
        using var log = await WriteAsync();
    }

    [Benchmark(OperationsPerInvoke = Pieces)]
    public async Task<long> AppendAndRead()
    {
        using var log = await WriteAsync();
        var bytes = 0L;
        await foreach (var entry in log.OpenReader(default(LogPosition)).ReadAsync(follow: false, CancellationToken.None)) bytes += entry.Data.Length;
        return bytes;
    }

    private async Task<OutputLog> WriteAsync()
    {
        var log = OutputLog.Create(_directory, new LogLimits { MaxBytesPerStream = 1 << 30 }, TimeProvider.System);
        for (var i = 0; i < Pieces; i++) await log.WriteAsync(OutputStream.Stdout, _piece, CancellationToken.None);
        return log;
    }
}
