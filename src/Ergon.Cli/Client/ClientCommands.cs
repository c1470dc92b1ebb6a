using System.CommandLine;
using Ergon.Client;

namespace Ergon.Cli.Client;

/// <summary>The commands that act on a daemon's executions.</summary>
internal static class ClientCommands
{
    private static readonly TimeSpan RemoveTime = TimeSpan.FromSeconds(60);

    /// <param name="command">The job's command line, as it stands after <c>--</c>.</param>
    public static IEnumerable<Command> Create(IReadOnlyList<string> command) =>
    [
        CreateStart(command),
        ClientCommand.Create("wait", "Waits for an execution and ends as 'ergon run' would.", [ClientCommand.Id, ClientCommand.Json], WaitAsync),
        ClientCommand.CreateForEach("cancel", "Stops executions: the stop signal, the grace period, the kill.", [], (_, executor, id, token) => executor.CancelAsync(id, token)),
        LogsCommand.Create(),
        ClientCommand.CreateForEach("pause", "Freezes executions.", [], (_, executor, id, token) => executor.PauseAsync(id, token)),
        ClientCommand.CreateForEach("resume", "Thaws executions.", [], (_, executor, id, token) => executor.ResumeAsync(id, token)),
        CreateSignal(),
        ExecCommand.Create(command),
        PsCommand.Create(),
        ClientCommand.Create("inspect", "Prints what is known of an execution, as JSON.", [ClientCommand.Id], InspectAsync),
        StatsCommand.Create(),
        ClientCommand.CreateForEach("rm", "Forgets executions, with everything they left; those that still run are killed first.", [], (_, executor, id, token) => executor.RemoveAsync(id, RemoveTime, token)),
        CreateCleanup(),
        DrainCommand.Create(),
        ClientCommand.Create("reload", "Has the daemon read its settings again: all of them, or none when one is wrong.", [], ReloadAsync),
    ];

    private static Command CreateStart(IReadOnlyList<string> command)
    {
        var options = new RunOptions { CommandLine = command };
        var start = ClientCommand.Create("start", "Starts a job on the daemon and prints its execution's id.", [], (parsed, executor, token) => StartAsync(parsed, executor, options, token));
        options.AddTo(start);
        return start;
    }

    private static async Task<int> StartAsync(ParseResult parsed, RemoteExecutor executor, RunOptions options, CancellationToken cancellationToken)
    {
        var builder = new RequestBuilder(parsed, options);
        var request = await builder.BuildAsync();
        await executor.StartAsync(request, cancellationToken);
        if (parsed.GetValue(options.Json)) await PrintAsync(ErgonJson.SerializeInfo(await executor.GetStatusAsync(request.ExecutionId, cancellationToken)));
        else Console.WriteLine(request.ExecutionId);
        return 0;
    }

    private static async Task<int> WaitAsync(ParseResult parsed, RemoteExecutor executor, CancellationToken cancellationToken)
    {
        var id = await ClientCommand.ResolveAsync(executor, parsed.GetRequiredValue(ClientCommand.Id), cancellationToken);
        var result = await executor.WaitAsync(id, cancellationToken);
        if (parsed.GetValue(ClientCommand.Json)) await PrintAsync(ErgonJson.SerializeResult(result));
        else if (result.Error is { } error) await Console.Error.WriteLineAsync($"ergon: {error}");
        return ExitCodes.Of(result, received: null);
    }

    private static async Task<int> InspectAsync(ParseResult parsed, RemoteExecutor executor, CancellationToken cancellationToken)
    {
        var id = await ClientCommand.ResolveAsync(executor, parsed.GetRequiredValue(ClientCommand.Id), cancellationToken);
        await PrintAsync(ErgonJson.SerializeInfo(await executor.GetStatusAsync(id, cancellationToken)));
        return 0;
    }

    private static async Task<int> ReloadAsync(ParseResult parsed, RemoteExecutor executor, CancellationToken cancellationToken)
    {
        try
        {
            var reload = await executor.ReloadAsync(cancellationToken);
            foreach (var name in reload.Changed) Console.WriteLine($"changed: {name}");
            foreach (var name in reload.NeedRestart) Console.WriteLine($"needs a restart: {name}");
            return 0;
        }
        catch (ExecutorException e) when (e.Problems.Count > 0)
        {
            await Console.Error.WriteLineAsync($"ergon: The settings were not taken, the former ones hold:{string.Concat(e.Problems.Select(p => $"\n  - {p}"))}");
            return ExitCodes.ErgonFailed;
        }
    }

    private static Command CreateSignal()
    {
        var signal = new Argument<string>("signal") { Description = "A name or a number, such as SIGUSR1." };
        return ClientCommand.Create("signal", "Delivers a signal to an execution's main process.", [ClientCommand.Id, signal], async (parsed, executor, token) =>
        {
            var text = parsed.GetRequiredValue(signal);
            if (!Signal.TryParse(text, null, out var parsedSignal)) throw new ExecutorException(ErrorCode.InvalidRequest, $"'{text}' is not a signal; give a name such as SIGTERM.");
            await executor.SignalAsync(await ClientCommand.ResolveAsync(executor, parsed.GetRequiredValue(ClientCommand.Id), token), parsedSignal, token);
            return 0;
        });
    }

    private static Command CreateCleanup()
    {
        var name = new Option<string?>("--executor") { Description = "Only of this executor.", HelpName = "NAME" };
        return ClientCommand.Create("cleanup", "Removes every execution of the daemon, running or not.", [name], async (parsed, executor, token) =>
        {
            if (parsed.GetValue(name) is not { } only)
            {
                await executor.CleanupAsync(token);
                return 0;
            }

            await using var one = new RemoteExecutor(DaemonChoice.Required(parsed) with { Executor = only });
            await one.CleanupAsync(token);
            return 0;
        });
    }

    /// <summary>Prints a line of JSON.</summary>
    public static Task PrintAsync(byte[] json)
    {
        StandardStream.Output.Write([.. json, (byte)'\n']);
        return Task.CompletedTask;
    }
}
