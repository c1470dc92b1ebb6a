using System.CommandLine;
using Ergon.Client;

namespace Ergon.Cli.Client;

/// <summary><c>ergon logs</c>: an execution's output, and nothing else: its stdout on ours, its stderr on ours.</summary>
internal static class LogsCommand
{
    private static readonly Option<bool> Follow = new("--follow", "-f") { Description = "Keep going until the execution ends." };
    private static readonly Option<bool> Tail = new("--tail") { Description = "Leave out what was written before now." };

    public static Command Create() => ClientCommand.Create(
        "logs", "Prints what an execution has written: its stdout to stdout, its stderr to stderr.", [ClientCommand.Id, Follow, Tail], RunAsync);

    private static async Task<int> RunAsync(ParseResult parsed, RemoteExecutor executor, CancellationToken cancellationToken)
    {
        var request = new LogStreamRequest
        {
            ExecutionId = await ClientCommand.ResolveAsync(executor, parsed.GetRequiredValue(ClientCommand.Id), cancellationToken),
            Follow = parsed.GetValue(Follow),
            Tail = parsed.GetValue(Tail),
        };
        await foreach (var entry in executor.GetLogStreamAsync(request, cancellationToken))
            (entry.Stream == OutputStream.Stdout ? StandardStream.Output : StandardStream.Error).Write(entry.Data.Span);
        return 0;
    }
}
