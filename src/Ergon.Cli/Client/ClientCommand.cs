using System.CommandLine;
using System.Runtime.InteropServices;
using Ergon.Client;

namespace Ergon.Cli.Client;

/// <summary>What the commands that talk to a daemon share.</summary>
internal static class ClientCommand
{
    public static Argument<string[]> Ids { get; } = new("id") { Description = "Executions, by their ids or what they begin with.", Arity = ArgumentArity.OneOrMore };

    public static Argument<string> Id { get; } = new("id") { Description = "The execution, by its id or what it begins with." };

    public static Option<bool> Json { get; } = new("--json") { Description = "Print JSON." };

    /// <summary>Makes a command that talks to a daemon. The token is cancelled by Ctrl-C and the like, which ends the command alone.</summary>
    public static Command Create(string name, string description, Symbol[] symbols, Func<ParseResult, RemoteExecutor, CancellationToken, Task<int>> act)
    {
        var command = new Command(name, description) { DaemonChoice.Host };
        foreach (var symbol in symbols)
        {
            if (symbol is Argument argument) command.Arguments.Add(argument);
            else command.Options.Add((Option)symbol);
        }

        command.SetAction((parsed, _) => RunAsync(parsed, act));
        return command;
    }

    /// <summary>Makes a command that does one thing to each execution it is given; what fails for one does not keep it from the others.</summary>
    public static Command CreateForEach(string name, string description, Symbol[] symbols, Func<ParseResult, RemoteExecutor, ExecutionId, CancellationToken, Task> act) =>
        Create(name, description, [Ids, .. symbols], async (parsed, executor, token) =>
        {
            var code = 0;
            foreach (var text in parsed.GetRequiredValue(Ids))
            {
                try
                {
                    await act(parsed, executor, await ResolveAsync(executor, text, token), token);
                }
                catch (ExecutorException e)
                {
                    await Console.Error.WriteLineAsync($"ergon: {e.Message}");
                    code = ExitCodes.ErgonFailed;
                }
            }

            return code;
        });

    /// <summary>Finds the one execution whose id is the text, or begins with it.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.ExecutionNotFound"/>, <see cref="ErrorCode.InvalidRequest"/>: there are several.</exception>
    public static async Task<ExecutionId> ResolveAsync(RemoteExecutor executor, string text, CancellationToken cancellationToken)
    {
        if (!ExecutionId.TryParse(text, out var exact)) throw new ExecutorException(ErrorCode.InvalidRequest, $"'{text}' is not an id, nor the beginning of one.");
        var found = await executor.FindAsync(text, cancellationToken);
        if (found.Count == 0) throw new ExecutorException(ErrorCode.ExecutionNotFound, $"No execution has the id '{text}', or one that begins so. 'ergon ps -a' shows all.", exact);
        if (found.Count == 1 || found.Any(i => i.ExecutionId == exact)) return found.Count == 1 ? found[0].ExecutionId : exact;
        throw new ExecutorException(ErrorCode.InvalidRequest, $"{found.Count} executions have ids that begin with '{text}', such as '{found[0].ExecutionId}' and '{found[1].ExecutionId}'; give more of it.");
    }

    private static async Task<int> RunAsync(ParseResult parsed, Func<ParseResult, RemoteExecutor, CancellationToken, Task<int>> act)
    {
        using var ending = new CancellationTokenSource();
        var received = 0;
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => End(context, 2));
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => End(context, 15));
        try
        {
            await using var executor = new RemoteExecutor(DaemonChoice.Required(parsed) with { ReconnectTimeout = TimeSpan.FromSeconds(5) });
            return await act(parsed, executor, ending.Token);
        }
        catch (OperationCanceledException) when (received != 0)
        {
            return 128 + received;
        }
        catch (IOException e) when (StandardStream.IsBrokenPipe(e))
        {
            return ExitCodes.BrokenPipe;
        }
        catch (ExecutorException e)
        {
            await Console.Error.WriteLineAsync($"ergon: {e.Message}");
            return ExitCodes.ErgonFailed;
        }

        void End(PosixSignalContext context, int signal)
        {
            context.Cancel = true;
            received = signal;
            ending.Cancel();
        }
    }
}
