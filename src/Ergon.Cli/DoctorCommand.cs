using System.CommandLine;
using Ergon.Cli.Client;
using Ergon.Client;
using Spectre.Console;

namespace Ergon.Cli;

/// <summary><c>ergon doctor</c>: tells which executors work here, and what to do about those that do not.</summary>
internal static class DoctorCommand
{
    private static readonly TimeSpan ReconnectTime = TimeSpan.FromSeconds(5);

    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print the fingerprints as JSON." };
        var command = new Command("doctor", "Tells which executors work here, or at the daemon, and what to do about those that do not. Ends with 0 when at least one works.") { json, DaemonChoice.Host };
        command.SetAction((parsed, token) => GuardedAsync(parsed, parsed.GetValue(json), token));
        return command;
    }

    private static async Task<int> GuardedAsync(ParseResult parsed, bool json, CancellationToken cancellationToken)
    {
        try
        {
            var daemon = DaemonChoice.Configured(parsed);
            return Print(daemon is null ? await Task.WhenAll(Executors.Names.Select(FingerprintAsync)) : await FingerprintDaemonAsync(daemon, cancellationToken), json);
        }
        catch (ExecutorException e)
        {
            await Console.Error.WriteLineAsync($"ergon: {e.Message}");
            return ExitCodes.ErgonFailed;
        }
    }

    private static async Task<ExecutorFingerprint[]> FingerprintDaemonAsync(RemoteExecutorOptions options, CancellationToken cancellationToken)
    {
        await using var daemon = new RemoteExecutor(options with { ReconnectTimeout = ReconnectTime });
        var drain = await daemon.GetDrainAsync(cancellationToken);
        if (drain.Since is { } since) await Console.Error.WriteLineAsync($"ergon: The daemon at {options.Address} takes no new executions since {since:u}, as {drain.By} asked for.");
        var executors = await daemon.ListExecutorsAsync(cancellationToken);
        return await Task.WhenAll(executors.Select(e => daemon.FingerprintOfAsync(e.Name, cancellationToken)));
    }

    private static int Print(ExecutorFingerprint[] fingerprints, bool json)
    {
        if (json) PrintJson(fingerprints);
        else if (Console.IsOutputRedirected) PrintLines(fingerprints);
        else PrintTable(fingerprints);
        return fingerprints.Any(f => f.Available) ? 0 : 1;
    }

    private static async Task<ExecutorFingerprint> FingerprintAsync(string name)
    {
        await using var executor = Executors.Create(name);
        return await executor.FingerprintAsync();
    }

    private static void PrintJson(ExecutorFingerprint[] fingerprints)
    {
        using var bytes = new MemoryStream();
        foreach (var (i, fingerprint) in fingerprints.Index())
        {
            bytes.WriteByte((byte)(i == 0 ? '[' : ','));
            bytes.Write(ErgonJson.SerializeFingerprint(fingerprint));
        }

        bytes.Write("]\n"u8);
        StandardStream.Output.Write(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
    }

    private static void PrintLines(ExecutorFingerprint[] fingerprints)
    {
        foreach (var f in fingerprints)
        {
            Console.WriteLine($"{f.Executor}: {(f.Available ? "works" : "does not work")}{(f.Version is { } version ? $", version {version}" : "")}");
            Console.WriteLine($"  can: {string.Join(", ", Abilities(f.Capabilities))}");
            foreach (var (name, value) in f.Details) Console.WriteLine($"  {name}: {value}");
            foreach (var problem in f.Problems) Console.WriteLine($"  problem: {problem.Problem}\n  remedy: {problem.Remedy}");
        }
    }

    private static void PrintTable(ExecutorFingerprint[] fingerprints)
    {
        var table = new Table().RoundedBorder().AddColumns("executor", "works", "version", "can", "to do");
        foreach (var f in fingerprints)
        {
            table.AddRow(
                Markup.Escape(f.Executor),
                f.Available ? "[green]yes[/]" : "[red]no[/]",
                Markup.Escape(f.Version ?? ""),
                Markup.Escape(string.Join(", ", Abilities(f.Capabilities))),
                Markup.Escape(string.Join('\n', f.Problems.Select(p => $"{p.Problem} {p.Remedy}"))));
        }

        AnsiConsole.Write(table);
    }

    private static IEnumerable<string> Abilities(ExecutorCapabilities can)
    {
        foreach (var (name, has) in new[]
        {
            ("images", can.Images), ("pause", can.Pause), ("exec", can.Exec), ("stats", can.Stats), ("memory limit", can.MemoryLimit),
            ("cpu limit", can.CpuLimit), ("process limit", can.PidsLimit), ("disk limit", can.DiskLimit), ("gpus", can.Gpus),
            ("file system isolation", can.FileSystemIsolation), ("writable inputs", can.WritableInputs), ("recovery", can.Recovery), ("exact signals", can.ExactSignals),
        })
        {
            if (has) yield return name;
        }

        if (can.Networks.Count > 0) yield return "networks " + string.Join('/', can.Networks.Select(n => n.ToString().ToLowerInvariant()));
    }
}
