using System.Runtime.Versioning;
using System.Text.Json;
using Ergon.Linux;
using Ergon.Runc.Bundles;
using Ergon.Runc.Containers;

namespace Ergon.Runc.Execution;

/// <summary>
/// A further command in a container. runc starts it and ends; a process of our own, whose child it then becomes, waits for it and ends as it
/// does.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class RuncExecSession : IExecSession
{
    private const int KillSignal = 9;

    private readonly ChildProcess _attendant;
    private readonly CommandStreams _streams;
    private readonly Task<int> _exitCode;

    private RuncExecSession(ChildProcess attendant, CommandStreams streams)
    {
        (_attendant, _streams) = (attendant, streams);
        _exitCode = WaitForExitAsync();
    }

    public Stream StandardInput => _streams.Input;

    public Stream StandardOutput => _streams.Output;

    public Stream StandardError => _streams.Error;

    public static async Task<IExecSession> StartAsync(ContainerParts parts, int firstProcess, ExecRequest request, CancellationToken cancellationToken)
    {
        var name = Path.Combine(parts.Paths.WorkDirectory, $"exec-{Guid.NewGuid():n}");
        var (description, log) = (name + ".json", name + ".log");
        await File.WriteAllBytesAsync(description, Describe(parts, request), cancellationToken);
        var streams = request.Terminal is { } size
            ? CommandStreams.OnTerminal($"/proc/{firstProcess}/root", size.Columns, size.Rows, parts.Shared.Events)
            : CommandStreams.OnPipes(request.Stdin);
        ChildProcess? attendant = null;
        try
        {
            using var ready = new ReadyPipe(parts.Shared.Events);
            var program = Path.Combine(parts.Paths.Inside, ContainerInit.FileName);
            attendant = await parts.Home.StartAsync([program, "attend", .. parts.Runtime.Exec(description, log)], [.. streams.Descriptors, ready.WriteDescriptor]);
            ready.CloseWriter();
            streams.HandedOver();
            await ready.WaitAsync(cancellationToken);
            if (RuncCommand.ReadErrors(log) is [.., var said]) throw new IOException(said);
            return new RuncExecSession(attendant, streams);
        }
        catch
        {
            if (attendant is not null) await EndAsync(attendant);
            await streams.DisposeAsync();
            throw;
        }
        finally
        {
            File.Delete(description);
            File.Delete(log);
        }
    }

    public Task<int> WaitAsync(CancellationToken cancellationToken = default) => _exitCode.WaitAsync(cancellationToken);

    public Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken = default)
    {
        if (_streams.Terminal is not { } terminal) throw new ExecutorException(ErrorCode.InvalidState, "The command has no terminal to resize; ask for one in the exec request.");
        terminal.Resize(size.Columns, size.Rows);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync(_attendant);
        await _streams.DisposeAsync();
    }

    private async Task<int> WaitForExitAsync()
    {
        var exit = await _attendant.Exit;
        return exit.ExitCode ?? (exit.Signal is { } signal ? 128 + signal : -1);
    }

    private static byte[] Describe(ContainerParts parts, ExecRequest request)
    {
        var environment = new Dictionary<string, string>(parts.Environment);
        foreach (var (name, value) in request.Environment) environment[name] = value;
        if (request.Terminal is not null) environment.TryAdd("TERM", "xterm");
        var arguments = ContainerInit.Become(request.Command, parts.HasFilter, request.Terminal is not null);
        return JsonSerializer.SerializeToUtf8Bytes(
            BundleWriter.Process(parts.Plan, parts.User, arguments, environment, request.WorkingDirectory ?? parts.Plan.WorkingDirectory), OciJsonContext.Default.OciProcess);
    }

    // The command leads a session, so its process group has its number. Its attendant ends with it.
    private static async Task EndAsync(ChildProcess attendant)
    {
        if (!attendant.Exit.IsCompleted)
        {
            foreach (var id in ProcessTable.ChildrenOf(attendant.Id))
            {
                _ = Libc.Kill(-id, KillSignal);
                OtherProcess.Signal(id, KillSignal);
            }
        }

        await attendant.Exit;
        attendant.Dispose();
    }
}
