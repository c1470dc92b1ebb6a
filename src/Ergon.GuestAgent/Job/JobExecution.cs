using Ergon.GuestAgent.Channel;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.Process.Native;

namespace Ergon.GuestAgent.Job;

/// <summary>The one job of this machine: its provision scripts, one after the other, and then its command.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "Its output is kept for the host until the machine ends.")]
internal sealed class JobExecution : IFrameSource
{
    private const int KillSignal = 9;

    private readonly KernelEvents _events;
    private readonly FrameSender _sender;
    private readonly ConfiguredJob _job;
    private readonly OutputTail? _tail;
    private readonly OutputPipes _output;
    private ChildProcess? _leader;
    private string? _failedScript;
    private bool _killRequested;
    private ExitedMessage? _exit;
    private bool _exitSent;
    private Task _running = Task.CompletedTask;

    public JobExecution(ConfiguredJob job, KernelEvents events, FrameSender sender)
    {
        (_job, _events, _sender) = (job, events, sender);
        _tail = job.Scripts.Count > 0 ? new OutputTail() : null;
        _output = new OutputPipes(GuestProtocol.JobChannel, events, sender.Pump, _tail);
    }

    /// <summary>Whether all its processes have ended.</summary>
    public bool Ended => _exit is not null;

    /// <summary>Starts the first script or, without scripts, the command.</summary>
    public void Start()
    {
        var (stdout, stderr) = _output.Open();
        var first = StartCommand(0, stdout, stderr);
        _sender.Add(this);
        _running = RunAsync(first, stdout, stderr);
    }

    /// <summary>Returns when all its processes have ended and what they wrote was read, and forgets it.</summary>
    public async Task FinishAsync()
    {
        await _running;
        await _output.Drained;
        _output.Dispose();
    }

    public void Signal(int number) => _leader?.Signal(number);

    public void Kill()
    {
        _killRequested = true;
        _leader?.Kill();
        _job.Namespaces.Kill();
    }

    public void Acknowledge(byte stream, long offset) => _output.Stream(stream).Acknowledge(offset);

    /// <summary>Begins to send again from what a new connection has.</summary>
    public void Resume(long stdout, long stderr)
    {
        _exitSent = false;
        _output.Stdout.Resume(stdout);
        _output.Stderr.Resume(stderr);
    }

    public int Compose(Span<byte> frame)
    {
        if (_exit is not null && !_exitSent)
        {
            _exitSent = true;
            var payload = _exit.Encode().Span;
            FrameParser.WriteHeader(frame, FrameType.Exited, payload.Length);
            payload.CopyTo(frame[GuestProtocol.HeaderBytes..]);
            return GuestProtocol.HeaderBytes + payload.Length;
        }

        var length = _output.Stderr.Compose(frame);
        return length > 0 ? length : _output.Stdout.Compose(frame);
    }

    private async Task RunAsync(LaunchedCommand first, int stdout, int stderr)
    {
        ExitedMessage exit;
        try
        {
            exit = await RunSequenceAsync(first, stdout, stderr);
        }
        catch (Exception e) when (_killRequested && e is IOException)
        {
            // It was killed between two of its commands: there was nothing left to start the next one in.
            exit = Exit(null, KillSignal, "");
        }
        catch (Exception e) when (e is IOException or RequestException)
        {
            // The job has begun with its scripts: from there on a command that cannot be started is its result.
            exit = Exit(GuestLauncher.NotExecutable, null, e.Message);
        }

        _output.CloseWriters();
        // The main process has ended: the rest ends with it, and what the kernel knows is read when nothing can happen any more.
        _job.Namespaces.Kill();
        await _job.Namespaces.Ended;
        if (_failedScript is not null) exit = exit with { Message = await DescribeFailureAsync(exit) };
        _exit = exit with { OutOfMemory = _job.Cgroup.RanOutOfMemory() };
        _sender.Pump();
    }

    private async Task<ExitedMessage> RunSequenceAsync(LaunchedCommand first, int stdout, int stderr)
    {
        var current = first;
        for (var i = 0; ; i++)
        {
            if (i > 0)
            {
                if (_killRequested) return Exit(null, KillSignal, "");
                current = StartCommand(i, stdout, stderr);
            }

            var exit = await WaitAsync(current);
            if (i == _job.Scripts.Count || _killRequested) return exit;
            if (exit.ExitCode == 0) continue;
            _failedScript = _job.Scripts[i].Name;
            return exit;
        }
    }

    private LaunchedCommand StartCommand(int index, int stdout, int stderr)
    {
        using var nullDevice = Descriptors.Open("/dev/null", Libc.ReadWrite);
        var command = index < _job.Scripts.Count ? _job.Scripts[index].Command : _job.Command;
        var launched = _job.Launcher.Start(command, [Descriptors.Number(nullDevice), stdout, stderr]);
        _leader = launched.Process;
        if (index == _job.Scripts.Count) _output.CloseWriters();
        return launched;
    }

    private async Task<ExitedMessage> WaitAsync(LaunchedCommand command)
    {
        if (command.Process is not { } process) return Exit(command.ExitCode, null, command.Message ?? "");
        var exit = await process.Exit;
        _leader = null;
        process.Dispose();
        return Exit(exit.ExitCode, exit.Signal, "");
    }

    private static ExitedMessage Exit(int? code, int? signal, string message) => new(GuestProtocol.JobChannel, code, signal, false, message);

    private async Task<string> DescribeFailureAsync(ExitedMessage exit)
    {
        var how = exit switch
        {
            { Signal: { } signal } => $"was ended by {new Signal(signal)}",
            { Message.Length: > 0 } => $"could not be run: {exit.Message}",
            _ => $"failed with exit code {exit.ExitCode}",
        };
        await _output.Drained;
        var output = _tail?.ToString() is { Length: > 0 } text ? $" Its output ended with:\n{text}" : "";
        return $"The provision script '{_failedScript}' {how}.{output}";
    }
}
