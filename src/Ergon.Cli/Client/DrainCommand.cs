using System.CommandLine;
using Ergon.Client;

namespace Ergon.Cli.Client;

/// <summary><c>ergon drain</c>: a daemon that takes no new executions, so that its node can be left.</summary>
internal static class DrainCommand
{
    private static readonly Option<string?> Timeout = new("--timeout") { Description = "How long to wait for those that run; then it ends with 124.", HelpName = "DURATION" };
    private static readonly Option<bool> NoWait = new("--no-wait") { Description = "Do not wait for those that run." };
    private static readonly Option<bool> Undo = new("--undo") { Description = "Take new executions again." };

    public static Command Create() => ClientCommand.Create(
        "drain", "Takes no new executions, until that is undone, and waits until those that run have ended.", [Timeout, NoWait, Undo], RunAsync);

    private static async Task<int> RunAsync(ParseResult parsed, RemoteExecutor executor, CancellationToken cancellationToken)
    {
        var problems = new RequestProblems();
        var timeout = new FlagParser(problems).Time("--timeout", parsed.GetValue(Timeout));
        problems.ThrowIfAny();
        if (parsed.GetValue(Undo))
        {
            await executor.UndoDrainAsync(cancellationToken);
            return 0;
        }

        var drain = await executor.DrainAsync(TimeSpan.Zero, cancellationToken);
        if (drain.Active == 0 || parsed.GetValue(NoWait)) return 0;
        await Console.Error.WriteLineAsync($"ergon: No new executions are taken. {drain.Active} have not ended yet.");
        drain = await executor.DrainAsync(timeout ?? System.Threading.Timeout.InfiniteTimeSpan, cancellationToken);
        if (drain.Since is null) throw new ExecutorException(ErrorCode.InvalidState, "The drain was undone meanwhile.");
        if (drain.Active == 0) return 0;
        await Console.Error.WriteLineAsync($"ergon: {drain.Active} have not ended in time; 'ergon ps' shows them. New executions are still refused.");
        return ExitCodes.TimedOut;
    }
}
