using System.IO.Pipes;
using System.Runtime.Versioning;
using System.Text;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Process.Native;

/// <summary>A further command inside an execution.</summary>
[SupportedOSPlatform("linux")]
internal sealed class NativeExecSession : IExecSession
{
    private readonly LaunchedCommand _command;
    private readonly PseudoTerminal? _terminal;
    private readonly Task<int> _exitCode;

    private NativeExecSession(LaunchedCommand command, Stream input, Stream output, Stream error, PseudoTerminal? terminal)
    {
        (_command, _terminal) = (command, terminal);
        (StandardInput, StandardOutput, StandardError) = (input, output, error);
        _exitCode = WaitForExitAsync();
    }

    public Stream StandardInput { get; }

    public Stream StandardOutput { get; }

    public Stream StandardError { get; }

    public static Task<IExecSession> StartAsync(JobLauncher launcher, JobCommand job, ExecRequest request)
    {
        var environment = new Dictionary<string, string>(job.Environment);
        foreach (var (name, value) in request.Environment) environment[name] = value;
        if (request.Terminal is not null) environment.TryAdd("TERM", "xterm");
        var command = new JobCommand
        {
            Arguments = request.Command,
            Environment = environment,
            WorkingDirectory = request.WorkingDirectory ?? job.WorkingDirectory,
        };
        return request.Terminal is { } size ? StartOnTerminalAsync(launcher, command, size) : StartOnPipesAsync(launcher, command, request.Stdin);
    }

    private static async Task<IExecSession> StartOnPipesAsync(JobLauncher launcher, JobCommand command, bool withInput)
    {
        var output = new OutputPipe();
        var error = new OutputPipe();
        Stream input = Stream.Null;
        try
        {
            SafeFileHandle read;
            if (withInput)
            {
                (read, var write) = Descriptors.Pipe();
                input = new AnonymousPipeClientStream(PipeDirection.Out, new SafePipeHandle(write.DangerousGetHandle(), ownsHandle: true));
                write.SetHandleAsInvalid();
            }
            else
            {
                read = Descriptors.Open("/dev/null", Libc.ReadOnly);
            }

            using (read)
            {
                var started = await launcher.StartAsync(command, [Descriptors.Number(read), output.WriteDescriptor, error.WriteDescriptor]);
                output.CloseWriter();
                error.CloseWriter();
                return new NativeExecSession(started, input, output.Reader, ErrorOf(started, error), null);
            }
        }
        catch
        {
            output.Dispose();
            error.Dispose();
            await input.DisposeAsync();
            throw;
        }
    }

    private static async Task<IExecSession> StartOnTerminalAsync(JobLauncher launcher, JobCommand command, TerminalSize size)
    {
        var root = launcher.Sandbox?.PathInside("") ?? "";
        var terminal = PseudoTerminal.Open(root + (launcher.Sandbox is null ? "/dev/ptmx" : "/dev/pts/ptmx"));
        Stream input = Stream.Null;
        Stream output = Stream.Null;
        try
        {
            terminal.Resize(size.Columns, size.Rows);
            var path = $"/dev/pts/{terminal.Number}";
            if (launcher.User is { } user) Libc.Check(Libc.ChangeOwner(root + path, user.Uid, user.Gid), $"give the terminal to user {user.Uid}");
            input = terminal.OpenStream(launcher.Events, input: true);
            output = terminal.OpenStream(launcher.Events, input: false);
            var started = await launcher.StartAsync(command, [], path);
            if (started.Process is not null) return new NativeExecSession(started, input, output, Stream.Null, terminal);
            // Nobody will ever write on that terminal.
            await output.DisposeAsync();
            output = new MemoryStream(MessageOf(started), writable: false);
            return new NativeExecSession(started, input, output, Stream.Null, terminal);
        }
        catch
        {
            await input.DisposeAsync();
            await output.DisposeAsync();
            terminal.Dispose();
            throw;
        }
    }

    public Task<int> WaitAsync(CancellationToken cancellationToken = default) => _exitCode.WaitAsync(cancellationToken);

    public Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken = default)
    {
        if (_terminal is null) throw new ExecutorException(ErrorCode.InvalidState, "The command has no terminal to resize; ask for one in the exec request.");
        _terminal.Resize(size.Columns, size.Rows);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_command.Process is { } process)
        {
            // It leads a session, so its process group has its number, which stays taken until its exit is seen.
            if (!process.Exit.IsCompleted) _ = Libc.Kill(-process.Id, 9);
            process.Kill();
            await process.Exit;
            process.Dispose();
        }

        await StandardInput.DisposeAsync();
        await StandardOutput.DisposeAsync();
        await StandardError.DisposeAsync();
        _terminal?.Dispose();
    }

    private async Task<int> WaitForExitAsync()
    {
        if (_command.Process is not { } process) return _command.ExitCode;
        var exit = await process.Exit;
        return exit.ExitCode ?? (exit.Signal is { } signal ? 128 + signal : -1);
    }

    // A command that could not be run says so where a shell would.
    private static Stream ErrorOf(LaunchedCommand started, OutputPipe pipe)
    {
        if (started.Process is not null) return pipe.Reader;
        pipe.Dispose();
        return new MemoryStream(MessageOf(started), writable: false);
    }

    private static byte[] MessageOf(LaunchedCommand started) => Encoding.UTF8.GetBytes(started.Message + "\n");
}
