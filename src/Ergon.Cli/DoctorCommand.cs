using System.CommandLine;
using Spectre.Console;

namespace Ergon.Cli;

/// <summary><c>ergon doctor</c>: tells which executors work here, and what to do about those that do not.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print the fingerprints as JSON." };
        var command = new Command("doctor", "Tells which executors work here, and what to do about those that do not. Ends with 0 when at least one works.") { json };
        command.SetAction((parsed, _) => RunAsync(parsed.GetValue(json)));
        return command;
    }

    private static async Task<int> RunAsync(bool json)
    {
        var fingerprints = await Task.WhenAll(Executors.Names.Select(FingerprintAsync));
        if (json) await PrintJsonAsync(fingerprints);
        else if (Console.IsOutputRedirected) PrintLines(fingerprints);
        else PrintTable(fingerprints);
        return fingerprints.Any(f => f.Available) ? 0 : 1;
    }

    private static async Task<ExecutorFingerprint> FingerprintAsync(string name)
    {
        await using var executor = Executors.Create(name);
        return await executor.FingerprintAsync();
    }

    private static async Task PrintJsonAsync(ExecutorFingerprint[] fingerprints)
    {
        await using var stdout = Console.OpenStandardOutput();
        var separator = "["u8.ToArray();
        foreach (var fingerprint in fingerprints)
        {
            await stdout.WriteAsync(separator);
            await stdout.WriteAsync(ErgonJson.SerializeFingerprint(fingerprint));
            separator = ","u8.ToArray();
        }

        await stdout.WriteAsync("]\n"u8.ToArray());
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
