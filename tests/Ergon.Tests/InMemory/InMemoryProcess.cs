using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Ergon.Conformance;

namespace Ergon.Tests.InMemory;

/// <summary>How a process in memory ended.</summary>
internal sealed record ProcessEnd(int Code, Signal? Signal = null, bool OutOfMemory = false)
{
    public static ProcessEnd Success { get; } = new(0);

    public static ProcessEnd By(Signal signal, bool outOfMemory = false) => new(128 + signal.Number, signal, outOfMemory);
}

/// <summary>A process in memory: does steps, one after the other, and handles signals between and during them.</summary>
internal sealed class InMemoryProcess(InMemoryContainer container)
{
    private static readonly HashSet<int> IgnoredByDefault = [17, 18, 23, 28];

    private readonly ConcurrentDictionary<int, IReadOnlyList<Step>> _handlers = new();
    private readonly Channel<int> _signals = Channel.CreateUnbounded<int>();
    private readonly TaskCompletionSource<ProcessEnd> _killed = new();
    private readonly CancellationTokenSource _death = new();

    public required IReadOnlyList<string> Arguments { get; init; }

    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    public required string WorkingDirectory { get; init; }

    public required Stream Input { get; init; }

    public required Func<OutputStream, ReadOnlyMemory<byte>, CancellationToken, ValueTask> Write { get; init; }

    public Func<TerminalSize?> Terminal { get; init; } = static () => null;

    public async Task<ProcessEnd> RunAsync(IReadOnlyList<Step> steps, CancellationToken containerGone)
    {
        await using var registration = containerGone.Register(() => Die(ProcessEnd.By(Signal.Kill)));
        try
        {
            await DoAsync(steps);
            return ProcessEnd.Success;
        }
        catch (ProcessEnded e)
        {
            return e.End;
        }
        catch (Exception) when (_death.IsCancellationRequested)
        {
            return await _killed.Task;
        }
    }

    public void Deliver(Signal signal)
    {
        if (signal != Signal.Kill && _handlers.ContainsKey(signal.Number)) _signals.Writer.TryWrite(signal.Number);
        else if (!IgnoredByDefault.Contains(signal.Number)) Die(ProcessEnd.By(signal));
    }

    public void Die(ProcessEnd end)
    {
        if (_killed.TrySetResult(end)) _death.Cancel();
    }

    private async Task DoAsync(IEnumerable<Step> steps)
    {
        foreach (var step in steps)
        {
            await PassAsync();
            await DoAsync(step);
        }

        await PassAsync();
    }

    // A process that is frozen stays here, and one that has a signal handles it here.
    private async Task PassAsync()
    {
        await container.Freezer.WaitAsync(_death.Token);
        _death.Token.ThrowIfCancellationRequested();
        while (_signals.Reader.TryRead(out var signal)) await DoAsync(_handlers[signal]);
    }

    private async Task WaitForSignalAsync() => await HandleAsync(await _signals.Reader.ReadAsync(_death.Token));

    private async Task HandleAsync(int signal)
    {
        await container.Freezer.WaitAsync(_death.Token);
        await DoAsync(_handlers[signal]);
    }

    private Task DoAsync(Step step) => step switch
    {
        PrintStep s => PrintAsync(s.Stream, s.Bytes),
        PrintPatternStep s => PrintPatternAsync(s),
        PrintEndlesslyStep s => RepeatAsync(TimeSpan.Zero, _ => PrintAsync(s.Stream, Encoding.ASCII.GetBytes(new string('y', 4095) + "\n"))),
        TickStep => RepeatAsync(TimeSpan.FromMilliseconds(50), i => PrintLineAsync($"{i}")),
        BurnStep => RepeatAsync(TimeSpan.FromMilliseconds(10), _ => Use(TimeSpan.FromMilliseconds(10))),
        SleepStep s => Task.Delay(TimeSpan.FromSeconds(s.Seconds), TimeProvider.System, _death.Token),
        HangStep => HangAsync(),
        ExitStep s => throw new ProcessEnded(new ProcessEnd(s.Code)),
        OnSignalStep s => Set(() => _handlers[s.Signal] = s.Handler),
        WaitForSignalStep s => WaitForAsync(s.Signal),
        KillSelfStep s => Set(() => Deliver(new Signal(s.Signal))),
        ReadFileStep s => PrintAsync(OutputStream.Stdout, container.Files.Read(s.Path) ?? throw new ProcessEnded(new ProcessEnd(66))),
        WriteFileStep s => Set(() => Check(container.Files.TryWrite(s.Path, s.Bytes), otherwise: 73)),
        PrintVariableStep s => PrintLineAsync(Environment.TryGetValue(s.Name, out var value) ? $"[{value}]" : "unset"),
        PrintArgumentsStep => PrintAsync(OutputStream.Stdout, Encoding.UTF8.GetBytes(string.Concat(Arguments.Select(a => $"[{a}]\n")))),
        PrintWorkingDirectoryStep => PrintLineAsync(WorkingDirectory),
        CopyInputStep => CopyAsync(Input),
        PrintTerminalSizesStep => PrintTerminalSizesAsync(),
        TogetherStep s => Task.WhenAll(s.Branches.Select(b => container.RunProcessAsync(Fork(), b))),
        BackgroundStep s => Set(() => _ = container.RunProcessAsync(Fork(), s.Steps)),
        ExhaustMemoryStep => container.Request.Resources.Memory is null ? HangAsync() : throw new ProcessEnded(ProcessEnd.By(Signal.Kill, outOfMemory: true)),
        SpawnStep s => Set(() => Check(container.TrySpawn(s.Count), otherwise: 2)),
        ListenStep s => ListenAsync(s),
        ConnectStep s => ConnectAsync(s),
        PrintInterfacesStep => PrintLineAsync(container.Request.Network.EffectiveMode == NetworkMode.None ? "lo" : "lo\neth0"),
        _ => throw new NotSupportedException($"{step.GetType().Name} is not known in memory."),
    };

    private async Task PrintAsync(OutputStream stream, ReadOnlyMemory<byte> bytes)
    {
        await container.Freezer.WaitAsync(_death.Token);
        await Write(stream, bytes, _death.Token);
    }

    private Task PrintLineAsync(string line) => PrintAsync(OutputStream.Stdout, Encoding.UTF8.GetBytes(line + "\n"));

    private async Task PrintPatternAsync(PrintPatternStep step)
    {
        foreach (var block in Pattern.Blocks(step.Size)) await PrintAsync(step.Stream, block);
    }

    private async Task RepeatAsync(TimeSpan pause, Func<int, Task> act)
    {
        for (var i = 0; ; i++)
        {
            await PassAsync();
            await act(i);
            if (pause > TimeSpan.Zero) await Task.Delay(pause, TimeProvider.System, _death.Token);
        }
    }

    private async Task HangAsync()
    {
        while (true) await WaitForSignalAsync();
    }

    private async Task WaitForAsync(int signal)
    {
        var came = false;
        _handlers[signal] = [];
        await PrintLineAsync("waiting");
        while (!came)
        {
            var next = await _signals.Reader.ReadAsync(_death.Token);
            came = next == signal;
            await HandleAsync(next);
        }
    }

    private async Task CopyAsync(Stream source)
    {
        var buffer = new byte[16 * 1024];
        while (await source.ReadAsync(buffer, _death.Token) is > 0 and var read) await PrintAsync(OutputStream.Stdout, buffer.AsMemory(0, read));
    }

    private async Task PrintTerminalSizesAsync()
    {
        await PrintLineAsync("terminal");
        using var lines = new StreamReader(Input, leaveOpen: true);
        while (await lines.ReadLineAsync(_death.Token) is not null)
            if (Terminal() is { } size) await PrintLineAsync($"{size.Rows} {size.Columns}");
    }

    private async Task ListenAsync(ListenStep step)
    {
        if (container.ListenerOf(step.Port) is not { } listener)
        {
            await HangAsync();
            return;
        }

        using var client = await listener.AcceptTcpClientAsync(_death.Token);
        await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(step.Reply), _death.Token);
    }

    private async Task ConnectAsync(ConnectStep step)
    {
        Check(container.Request.Network.EffectiveMode != NetworkMode.None, otherwise: 68);
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(step.Host == "host.docker.internal" ? "127.0.0.1" : step.Host, step.Port, _death.Token);
        }
        catch (SocketException)
        {
            throw new ProcessEnded(new ProcessEnd(68));
        }

        await CopyAsync(client.GetStream());
    }

    private InMemoryProcess Fork() => new(container)
    {
        Arguments = Arguments,
        Environment = Environment,
        WorkingDirectory = WorkingDirectory,
        Input = Stream.Null,
        Write = Write,
    };

    private Task Use(TimeSpan time) => Set(() => container.UseCpu(time));

    private static Task Set(Action act)
    {
        act();
        return Task.CompletedTask;
    }

    private static void Check(bool condition, int otherwise)
    {
        if (!condition) throw new ProcessEnded(new ProcessEnd(otherwise));
    }

    private sealed class ProcessEnded(ProcessEnd end) : Exception
    {
        public ProcessEnd End => end;
    }
}
