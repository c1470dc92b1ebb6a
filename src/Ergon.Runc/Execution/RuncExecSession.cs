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
    private readonly KernelEvents _events;
    private readonly Task<int> _exitCode;

    private RuncExecSession(ChildProcess attendant, CommandStreams streams, KernelEvents events)
    {
        (_attendant, _streams, _events) = (attendant, streams, events);
        _exitCode = WaitForExitAsync();
    }

    public Stream StandardInput => _streams.Input;

    public Stream StandardOutput => _streams.Output;

    public Stream StandardError => _streams.Error;

    public static async Task<IExecSession> StartAsync(ContainerParts parts, int firstProcess, ExecRequest request, CancellationToken cancellationToken)
    {
        var name = Path.Combine(parts.Paths.WorkDirectory, $"exec-{Guid.NewGuid():n}");
        var (description, log) = (name + ".json", name + ".log");
        CommandStreams? streams = null;
        try
        {
            await File.WriteAllBytesAsync(description, Describe(parts, request), cancellationToken);
            streams = request.Terminal is { } size ? OpenTerminal(parts, firstProcess, size) : CommandStreams.OnPipes(request.Stdin);
            var attendant = await StartAsync(parts, description, log, streams, cancellationToken);
            return new RuncExecSession(attendant, streams, parts.Shared.Events);
        }
        catch
        {
            streams?.Dispose();
            throw;
        }
        finally
        {
            File.Delete(description);
            File.Delete(log);
        }
    }

    private static async Task<ChildProcess> StartAsync(ContainerParts parts, string description, string log, CommandStreams streams, CancellationToken cancellationToken)
    {
        using var ready = new ReadyPipe(parts.Shared.Events);
        var given = ContainerInit.Given(ready.WriteDescriptor, parts.Filter);
        var attendant = await parts.Home.StartAsync(
            [ContainerHome.InitPath, "attend", .. parts.Runtime.Exec(description, log, given.Count)], [.. streams.Descriptors, .. given]);
        try
        {
            ready.CloseWriter();
            streams.HandedOver();
            // Not given up half-way, when nobody knows yet whose child the command will be.
            await parts.Shared.WaitForStepAsync(Task.WhenAny(ready.Closed, attendant.Exit), $"{parts.Runtime.Name} did not start it", CancellationToken.None);
            if (RuncCommand.ReadErrors(log) is [.., var said]) throw new IOException(said);
            cancellationToken.ThrowIfCancellationRequested();
            return attendant;
        }
        catch
        {
            await EndAsync(attendant, parts.Shared.Events);
            throw;
        }
    }

    // What leads there are mount points, which no job can put anything else in the place of.
    private static CommandStreams OpenTerminal(ContainerParts parts, int firstProcess, TerminalSize size)
    {
        var terminals = $"/proc/{firstProcess}/root/dev/pts";
        var streams = CommandStreams.OnTerminal($"{terminals}/ptmx", size.Columns, size.Rows, parts.Shared.Events);
        try
        {
            streams.OpenTerminal($"{terminals}/{streams.Terminal!.Number}");
            return streams;
        }
        catch
        {
            streams.Dispose();
            throw;
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
        await EndAsync(_attendant, _events);
        _streams.Dispose();
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
        var arguments = ContainerInit.Become(request.Command, parts.Filter is not null, request.Terminal is not null);
        return JsonSerializer.SerializeToUtf8Bytes(
            BundleWriter.Process(parts.Plan, parts.User, arguments, environment, request.WorkingDirectory ?? parts.Plan.WorkingDirectory), OciJsonContext.Default.OciProcess);
    }

    // The command leads a session, so its process group has its number. What is left behind by whoever is killed becomes the attendant's child
    // by the time that is told; the attendant ends with the last of them.
    private static async Task EndAsync(ChildProcess attendant, KernelEvents events)
    {
        while (!attendant.Exit.IsCompleted && LivingChildrenOf(attendant.Id) is { Length: > 0 } children)
        {
            foreach (var id in children)
            {
                _ = Libc.Kill(-id, KillSignal);
                await OtherProcess.KillAsync(id, events, CancellationToken.None);
            }
        }

        await attendant.Exit;
        attendant.Dispose();
    }

    private static int[] LivingChildrenOf(int id) => [.. ProcessTable.ChildrenOf(id).Where(child => ProcessTable.Find(child) is { IsExiting: false })];
}
