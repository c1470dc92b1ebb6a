using Ergon.GuestAgent.Channel;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.Process.Native;

namespace Ergon.GuestAgent.Job;

/// <summary>A channel that the host has opened beside the job's.</summary>
internal interface IGuestChannel : IFrameSource, IDisposable
{
    void Acknowledge(byte stream, long offset);
}

/// <summary>A further command inside.</summary>
internal sealed class ExecSession : IGuestChannel
{
    private const int KillSignal = 9;
    private const int SetStatusFlags = 4;

    private readonly uint _channel;
    private readonly FrameSender _sender;
    private readonly OutputPipes _output;
    private readonly InputWriter? _input;
    private readonly PseudoTerminal? _terminal;
    private readonly LaunchedCommand _command;
    private ExitedMessage? _exit;
    private bool _exitSent;

    public ExecSession(ExecMessage request, ConfiguredJob job, KernelEvents events, FrameSender sender)
    {
        (_channel, _sender) = (request.Channel, sender);
        _output = new OutputPipes(request.Channel, events, sender.Pump);
        try
        {
            var command = CommandOf(request, job);
            if (request.Terminal) (_command, _terminal, _input) = StartOnTerminal(request, command, job, events);
            else (_command, _input) = StartOnPipes(request, command, job, events);
        }
        catch
        {
            _output.Dispose();
            throw;
        }

        _ = WaitAsync();
    }

    public void Acknowledge(byte stream, long offset) => _output.Stream(stream).Acknowledge(offset);

    public void Write(ReadOnlySpan<byte> input) => _input?.Write(input);

    public void EndInput() => _input?.End();

    public void Resize(int columns, int rows) => _terminal?.Resize(columns, rows);

    public int Compose(Span<byte> frame)
    {
        if (_output.Stderr.Compose(frame) is > 0 and var stderr) return stderr;
        if (_output.Stdout.Compose(frame) is > 0 and var stdout) return stdout;
        if (_exit is null || _exitSent || !_output.Stdout.EndSent || !_output.Stderr.EndSent) return 0;
        _exitSent = true;
        var payload = _exit.Encode().Span;
        FrameParser.WriteHeader(frame, FrameType.Exited, payload.Length);
        payload.CopyTo(frame[GuestProtocol.HeaderBytes..]);
        return GuestProtocol.HeaderBytes + payload.Length;
    }

    private static JobCommand CommandOf(ExecMessage request, ConfiguredJob job)
    {
        var environment = new Dictionary<string, string>(job.Command.Environment);
        ConfiguredJob.Add(environment, request.Environment);
        if (request.Terminal) environment.TryAdd("TERM", "xterm");
        return new JobCommand { Arguments = request.Arguments, Environment = environment, WorkingDirectory = request.WorkingDirectory ?? job.Command.WorkingDirectory };
    }

    private (LaunchedCommand, InputWriter?) StartOnPipes(ExecMessage request, JobCommand command, ConfiguredJob job, KernelEvents events)
    {
        var (read, write) = request.Stdin ? Descriptors.Pipe() : (Descriptors.Open("/dev/null", Libc.ReadOnly), null);
        using (read)
        {
            var (stdout, stderr) = _output.Open();
            LaunchedCommand launched;
            try
            {
                launched = job.Launcher.Start(command, [Descriptors.Number(read), stdout, stderr]);
            }
            catch
            {
                write?.Dispose();
                throw;
            }

            if (launched.Process is null) OutputPipes.Say(_output.Stderr, launched.Message + "\n");
            _output.CloseWriters();
            if (write is null) return (launched, null);
            Libc.Check(Libc.Fcntl(Descriptors.Number(write), SetStatusFlags, Libc.NonBlocking), "change a pipe");
            return (launched, new InputWriter(write, isTerminal: false, Acknowledge, events));
        }
    }

    private (LaunchedCommand, PseudoTerminal, InputWriter?) StartOnTerminal(ExecMessage request, JobCommand command, ConfiguredJob job, KernelEvents events)
    {
        var inside = $"/proc/self/fd/{Descriptors.Number(job.Namespaces.Root)}";
        var terminal = PseudoTerminal.Open(inside + "/dev/pts/ptmx");
        try
        {
            terminal.Resize(request.Columns, request.Rows);
            var path = $"/dev/pts/{terminal.Number}";
            var user = job.Launcher.User;
            Libc.Check(Libc.ChangeOwner(inside + path, user.Uid, user.Gid), $"give the terminal to user {user.Uid}");
            var launched = job.Launcher.Start(command, [], path);
            if (launched.Process is null)
            {
                // Nobody will ever write on that terminal.
                OutputPipes.Say(_output.Stdout, launched.Message + "\n");
                _output.Stdout.End();
                _output.Stderr.End();
                return (launched, terminal, null);
            }

            _output.Read(terminal.Duplicate());
            var input = request.Stdin ? new InputWriter(terminal.Duplicate(), isTerminal: true, Acknowledge, events) : null;
            return (launched, terminal, input);
        }
        catch
        {
            terminal.Dispose();
            throw;
        }
    }

    private void Acknowledge(long written) => _sender.Send(FrameType.InputAcknowledge, new PayloadWriter().UInt32(_channel).Int64(written).Payload.Span);

    private async Task WaitAsync()
    {
        if (_command.Process is { } process)
        {
            var exit = await process.Exit;
            _exit = new ExitedMessage(_channel, exit.ExitCode, exit.Signal, false, "");
        }
        else
        {
            _exit = new ExitedMessage(_channel, _command.ExitCode, null, false, _command.Message ?? "");
        }

        _sender.Pump();
    }

    public void Dispose()
    {
        if (_command.Process is { } process) _ = KillAsync(process);
        _input?.Dispose();
        _output.Dispose();
        _terminal?.Dispose();
    }

    private static async Task KillAsync(ChildProcess process)
    {
        // It leads a session, so its process group has its number, which stays taken until its exit is seen.
        if (!process.Exit.IsCompleted) _ = Libc.Kill(-process.Id, KillSignal);
        process.Kill();
        await process.Exit;
        process.Dispose();
    }
}
