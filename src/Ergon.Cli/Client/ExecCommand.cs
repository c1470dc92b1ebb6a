using System.CommandLine;
using System.Runtime.InteropServices;
using Ergon.Client;

namespace Ergon.Cli.Client;

/// <summary><c>ergon exec</c>: another command inside a running execution, with this terminal if it is wanted.</summary>
internal static class ExecCommand
{
    private static readonly Option<bool> Interactive = new("--interactive", "-i") { Description = "Pass ergon's own input on." };
    private static readonly Option<bool> Tty = new("--tty", "-t") { Description = "Give the command a terminal." };
    private static readonly Option<string[]> Variables = new("--env", "-e") { Description = "A variable; without =VALUE, ergon's own.", HelpName = "NAME[=VALUE]" };
    private static readonly Option<string?> Directory = new("--workdir", "-w") { Description = "The directory to start in.", HelpName = "DIR" };

    /// <param name="command">The command line, as it stands after <c>--</c>.</param>
    public static Command Create(IReadOnlyList<string> command)
    {
        var words = new Argument<string[]>("command") { Description = "The program and its arguments; options of its own stand after --.", Arity = ArgumentArity.ZeroOrMore };
        return ClientCommand.Create(
            "exec", "Runs another command inside an execution and ends with its exit code.",
            [ClientCommand.Id, words, Interactive, Tty, Variables, Directory],
            (parsed, executor, token) => RunAsync(parsed, executor, [.. parsed.GetValue(words) ?? [], .. command], token));
    }

    private static async Task<int> RunAsync(ParseResult parsed, RemoteExecutor executor, string[] command, CancellationToken cancellationToken)
    {
        var id = await ClientCommand.ResolveAsync(executor, parsed.GetRequiredValue(ClientCommand.Id), cancellationToken);
        var request = Read(parsed, command);
        await using var session = await executor.ExecAsync(id, request, cancellationToken);
        using var raw = request.Terminal is not null && !Console.IsInputRedirected ? RawTerminal.Enter() : null;
        using var resized = request.Terminal is null || OperatingSystem.IsWindows()
            ? null
            : PosixSignalRegistration.Create(PosixSignal.SIGWINCH, context => Resize(session));
        if (request.Stdin) _ = Task.Run(() => FeedAsync(session, cancellationToken), cancellationToken);
        await Task.WhenAll(
            CopyAsync(session.StandardOutput, StandardStream.Output, cancellationToken),
            CopyAsync(session.StandardError, StandardStream.Error, cancellationToken));
        var code = await session.WaitAsync(cancellationToken);
        return code is >= 0 and <= 255 ? code : ExitCodes.ErgonFailed;
    }

    // A command that has ended has no terminal whose size could matter.
    private static void Resize(IExecSession session) => _ = session.ResizeAsync(RawTerminal.Size, CancellationToken.None)
        .ContinueWith(static failed => failed.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);

    private static ExecRequest Read(ParseResult parsed, string[] command)
    {
        var problems = new RequestProblems();
        var variables = new Dictionary<string, string>();
        new FlagParser(problems).Variables("-e", parsed.GetValue(Variables) ?? [], variables, inherit: true);
        if (command.Length == 0) problems.Invalid("COMMAND", "is missing: give it after --, such as 'ergon exec ID -- ls'.");
        problems.ThrowIfAny();
        return new ExecRequest
        {
            Command = command,
            Environment = variables,
            WorkingDirectory = parsed.GetValue(Directory),
            Stdin = parsed.GetValue(Interactive),
            Terminal = parsed.GetValue(Tty) ? RawTerminal.Size : null,
        };
    }

    private static async Task FeedAsync(IExecSession session, CancellationToken cancellationToken)
    {
        await using var input = Console.OpenStandardInput();
        try
        {
            await input.CopyToAsync(session.StandardInput, cancellationToken);
            await session.StandardInput.DisposeAsync();
        }
        catch (IOException)
        {
            // The command has ended, or takes no more.
        }
    }

    private static async Task CopyAsync(Stream from, StandardStream to, CancellationToken cancellationToken)
    {
        var buffer = new byte[32 * 1024];
        while (await from.ReadAsync(buffer, cancellationToken) is > 0 and var read) to.Write(buffer.AsSpan(0, read));
    }
}
