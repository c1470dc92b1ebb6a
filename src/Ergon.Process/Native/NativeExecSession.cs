using System.Runtime.Versioning;
using Ergon.Linux;

namespace Ergon.Process.Native;

/// <summary>A further command inside an execution.</summary>
[SupportedOSPlatform("linux")]
internal sealed class NativeExecSession : IExecSession
{
    private readonly LaunchedCommand _command;
    private readonly CommandStreams _streams;
    private readonly Task<int> _exitCode;

    private NativeExecSession(LaunchedCommand command, CommandStreams streams)
    {
        (_command, _streams) = (command, streams);
        _exitCode = WaitForExitAsync();
    }

    public Stream StandardInput => _streams.Input;

    public Stream StandardOutput => _streams.Output;

    public Stream StandardError => _streams.Error;

    public static async Task<IExecSession> StartAsync(JobLauncher launcher, JobCommand job, ExecRequest request)
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
        var streams = request.Terminal is { } size ? OpenTerminal(launcher, size) : CommandStreams.OnPipes(request.Stdin);
        try
        {
            // On a terminal, the command opens it itself, so that it becomes the one that controls its session.
            var started = await launcher.StartAsync(command, streams.Descriptors, streams.Terminal is { } terminal ? PathOf(terminal) : null);
            if (started.Process is null) streams.Refuse(started.Message!);
            else streams.HandedOver();
            return new NativeExecSession(started, streams);
        }
        catch
        {
            streams.Dispose();
            throw;
        }
    }

    private static CommandStreams OpenTerminal(JobLauncher launcher, TerminalSize size)
    {
        var root = launcher.Sandbox?.PathInside("") ?? "";
        var streams = CommandStreams.OnTerminal(root + (launcher.Sandbox is null ? "/dev/ptmx" : "/dev/pts/ptmx"), size.Columns, size.Rows, launcher.Events);
        try
        {
            if (launcher.User is { } user) Libc.Check(Libc.ChangeOwner(root + PathOf(streams.Terminal!), user.Uid, user.Gid), $"give the terminal to user {user.Uid}");
            return streams;
        }
        catch
        {
            streams.Dispose();
            throw;
        }
    }

    private static string PathOf(PseudoTerminal terminal) => $"/dev/pts/{terminal.Number}";

    public Task<int> WaitAsync(CancellationToken cancellationToken = default) => _exitCode.WaitAsync(cancellationToken);

    public Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken = default)
    {
        if (_streams.Terminal is not { } terminal) throw new ExecutorException(ErrorCode.InvalidState, "The command has no terminal to resize; ask for one in the exec request.");
        terminal.Resize(size.Columns, size.Rows);
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

        _streams.Dispose();
    }

    private async Task<int> WaitForExitAsync()
    {
        if (_command.Process is not { } process) return _command.ExitCode;
        var exit = await process.Exit;
        return exit.ExitCode ?? (exit.Signal is { } signal ? 128 + signal : -1);
    }
}
