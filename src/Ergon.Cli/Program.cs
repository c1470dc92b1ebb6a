using System.CommandLine;
using Ergon.Cli;
using Ergon.Cli.Client;

// What stands after -- is the job's, to the letter. Cut off here, whatever is left and looks like an option has to be one of ours.
var end = Array.IndexOf(args, "--");
var (own, command) = end < 0 ? (args, []) : (args[..end], args[(end + 1)..]);

var root = new RootCommand("Runs jobs in isolation: in Docker containers, in virtual machines, or in sandboxed local processes.")
{
    RunCommand.Create(command),
    DoctorCommand.Create(),
    ServeCommand.Create(),
    ContextCommand.Create(),
    VmCommand.Create(),
    CompletionCommand.Create(),
};

foreach (var client in ClientCommands.Create(command)) root.Subcommands.Add(client);

// Without a word there is nothing to do but to tell what there is.
if (args.Length == 0) own = ["--help"];

// '@name' is not replaced by a file's content.
var parsed = root.Parse(own, new ParserConfiguration { ResponseFileTokenReplacer = null });
if (parsed.Errors.Count > 0)
{
    foreach (var error in parsed.Errors) await Console.Error.WriteLineAsync($"ergon: {error.Message}");
    await Console.Error.WriteLineAsync("ergon: 'ergon --help' and 'ergon run --help' show what there is.");
    return ExitCodes.ErgonFailed;
}

// Signals are a matter of 'run': the library must not end the process under it.
try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
}
catch (Exception e)
{
    // Whatever it is, a caller must not take it for the job's end.
    await Console.Error.WriteLineAsync($"ergon: Something went wrong that should not have: {e}");
    return ExitCodes.ErgonFailed;
}

// Said here, since the web framework's generator would make it public.
internal sealed partial class Program;
