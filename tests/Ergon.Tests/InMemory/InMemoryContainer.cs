using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Ergon.Conformance;
using Ergon.Drivers;

namespace Ergon.Tests.InMemory;

/// <summary>One isolated job in memory: its processes, files, ports and output.</summary>
internal sealed class InMemoryContainer(ExecutionRequest request, TestJob job)
{
    private readonly TaskCompletionSource<DriverExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<InMemoryProcess, Task> _processes = new();
    private readonly Dictionary<int, TcpListener> _listeners = [];
    private readonly CancellationTokenSource _gone = new();
    private volatile InMemoryProcess? _main;
    private volatile bool _killedExternally;
    private long _cpuTicks;
    private int _extraProcesses;

    public required string ExecutorId { get; init; }

    public ExecutionRequest Request { get; } = request;

    public bool Started { get; private set; }

    public IReadOnlyList<PortMapping> Ports { get; private set; } = [];

    public InMemoryOutput Output { get; } = new();

    public Freezer Freezer { get; } = new();

    public InMemoryFiles Files { get; } = new(request);

    public Task<DriverExit> Exit => _exit.Task;

    public IReadOnlyDictionary<string, string> Environment { get; } = Merge(new() { ["PATH"] = "/usr/bin:/bin" }, job.Environment, request.Environment);

    public string WorkingDirectory { get; } = job.WorkingDirectory ?? "/";

    public static Dictionary<string, string> Merge(Dictionary<string, string> first, params IEnumerable<KeyValuePair<string, string>>[] others)
    {
        foreach (var (name, value) in others.SelectMany(o => o)) first[name] = value;
        return first;
    }

    public void Start()
    {
        Listen();
        Started = true;
        _ = RunAsync();
    }

    public void Signal(Signal signal)
    {
        if (signal == Ergon.Signal.Kill) _gone.Cancel();
        _main?.Deliver(signal);
    }

    public void KillExternally()
    {
        _killedExternally = true;
        Signal(Ergon.Signal.Kill);
    }

    /// <summary>Runs a process inside until its end.</summary>
    public async Task<ProcessEnd> RunProcessAsync(InMemoryProcess process, IReadOnlyList<Step> steps)
    {
        var run = process.RunAsync(steps, _gone.Token);
        _processes[process] = run;
        try
        {
            return await run;
        }
        finally
        {
            _processes.TryRemove(process, out _);
        }
    }

    /// <summary>Whether so many more processes may be there.</summary>
    public bool TrySpawn(int count) => Interlocked.Add(ref _extraProcesses, count) + _processes.Count <= Request.Resources.Pids;

    public void UseCpu(TimeSpan time) => Interlocked.Add(ref _cpuTicks, time.Ticks);

    /// <summary>The listener of the host port that leads to a port inside.</summary>
    public TcpListener? ListenerOf(int port) => _listeners.GetValueOrDefault(port);

    public ExecutionStats Measure() => new()
    {
        Timestamp = TimeProvider.System.GetUtcNow(),
        CpuTime = new TimeSpan(Interlocked.Read(ref _cpuTicks)),
        MemoryBytes = 1 << 20,
        MemoryLimitBytes = Request.Resources.Memory,
        Pids = Math.Max(1, _processes.Count + _extraProcesses),
    };

    public async ValueTask DestroyAsync()
    {
        await _gone.CancelAsync();
        if (Started) await _exit.Task;
        foreach (var listener in _listeners.Values) listener.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.Yield();
        var exit = await RunJobAsync();
        await _gone.CancelAsync();
        await Task.WhenAll(_processes.Values);
        Output.Complete();
        _exit.TrySetResult(exit);
    }

    private async Task<DriverExit> RunJobAsync()
    {
        foreach (var script in Request.ProvisionScripts)
        {
            var end = await RunMainAsync(JsonSerializer.Deserialize<Step[]>(script.Content.Span)!);
            if (end != ProcessEnd.Success) return ExitOf(end) with { Message = $"The provision script '{script.Name}' failed." };
        }

        if (job.Program is not { } program) return ExitOf(await RunMainAsync(job.Steps));
        return program[0] == "/etc/passwd"
            ? new DriverExit { ExitCode = 126, Message = $"{program[0]} is not executable." }
            : new DriverExit { ExitCode = 127, Message = $"{program[0]} does not exist." };
    }

    private Task<ProcessEnd> RunMainAsync(IReadOnlyList<Step> steps)
    {
        _main = new InMemoryProcess(this)
        {
            Arguments = job.Arguments,
            Environment = Environment,
            WorkingDirectory = WorkingDirectory,
            Input = Stream.Null,
            Write = Output.WriteAsync,
        };
        return RunProcessAsync(_main, steps);
    }

    private DriverExit ExitOf(ProcessEnd end) => new()
    {
        ExitCode = end.Signal is null ? end.Code : null,
        Signal = end.Signal,
        OutOfMemory = end.OutOfMemory,
        KilledExternally = _killedExternally,
    };

    private void Listen()
    {
        List<PortMapping> ports = [];
        foreach (var mapping in Request.Network.Ports)
        {
            var listener = new TcpListener(IPAddress.Parse(mapping.HostIp ?? "127.0.0.1"), mapping.HostPort);
            try
            {
                listener.Start();
            }
            catch (SocketException e)
            {
                foreach (var opened in _listeners.Values) opened.Dispose();
                throw new ExecutorException(ErrorCode.ResourcesUnavailable, $"The host port {mapping.HostPort} cannot be taken: {e.Message}", innerException: e);
            }

            _listeners[mapping.ExecutorPort] = listener;
            ports.Add(mapping with { HostPort = ((IPEndPoint)listener.LocalEndpoint).Port });
        }

        Ports = ports;
    }
}
