using System.Globalization;
using Ergon.Client;
using Ergon.Client.Tests;
using Ergon.Daemon;

namespace Ergon.Benchmarks.Service;

/// <summary>A daemon in a process of its own over local processes, and what the kernel says of that process.</summary>
internal sealed class ServedDaemon : IAsyncDisposable
{
    private const double TicksPerSecond = 100;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("ergon-benchmark-");
    private readonly DaemonProcess _process;

    private ServedDaemon(Func<DaemonFile, DaemonFile> settings)
    {
        Environment.SetEnvironmentVariable("ERGON_CLI", Environment.GetEnvironmentVariable("ERGON_CLI") ?? "artifacts/ergon/ergon");
        Data = _directory.CreateSubdirectory("data").FullName;
        _process = DaemonProcess.Start(_directory.FullName, settings(new DaemonFile { Data = Data }));
    }

    /// <summary>Its data directory.</summary>
    public string Data { get; }

    /// <summary>Its resident memory in MiB.</summary>
    public double ResidentMiB => MiB("VmRSS:");

    /// <summary>Its resident memory in MiB that no file backs.</summary>
    public double AnonymousMiB => MiB("RssAnon:");

    /// <summary>How many files, sockets and the like it has open.</summary>
    public int OpenFiles => Directory.GetFileSystemEntries($"/proc/{_process.Id}/fd").Length;

    /// <summary>The processor time that it has taken.</summary>
    public TimeSpan CpuTime
    {
        get
        {
            var fields = File.ReadAllText($"/proc/{_process.Id}/stat").Split(") ")[1].Split(' ');
            return TimeSpan.FromSeconds((long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond);
        }
    }

    /// <summary>What its files take, in MiB.</summary>
    public double DiskMiB => new DirectoryInfo(Data).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length) / 1048576.0;

    /// <summary>Starts one and waits until it takes calls.</summary>
    public static async Task<ServedDaemon> StartAsync(Func<DaemonFile, DaemonFile> settings)
    {
        var daemon = new ServedDaemon(settings);
        await using var first = daemon.Connect();
        await first.ListExecutorsAsync();
        return daemon;
    }

    /// <summary>A connection to it.</summary>
    public RemoteExecutor Connect(string executor = "process") => new(new RemoteExecutorOptions { Address = _process.Address, Executor = executor });

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _directory.Delete(recursive: true);
    }

    private double MiB(string key)
    {
        var line = File.ReadLines($"/proc/{_process.Id}/status").First(l => l.StartsWith(key, StringComparison.Ordinal));
        return double.Parse(line[key.Length..].Trim().Split(' ')[0], CultureInfo.InvariantCulture) / 1024;
    }
}
