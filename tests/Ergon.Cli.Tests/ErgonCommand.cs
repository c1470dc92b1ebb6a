using System.Diagnostics;

namespace Ergon.Cli.Tests;

/// <summary>The built <c>ergon</c>, about to be run as a user would run it. <c>ERGON_CLI</c> names another file, such as the native one.</summary>
internal sealed record ErgonCommand(params string[] Arguments)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    public static string File { get; } =
        System.Environment.GetEnvironmentVariable("ERGON_CLI") is { Length: > 0 } given
            ? Path.GetFullPath(given)
            : Path.Combine(AppContext.BaseDirectory, "Ergon.Cli");

    /// <summary>Variables to set; <see langword="null"/> removes one.</summary>
    public Dictionary<string, string?> Environment { get; init; } = [];

    public string? WorkingDirectory { get; init; }

    public string Input { get; init; } = "";

    /// <summary>The same command with a variable set, or removed.</summary>
    public ErgonCommand With(string variable, string? value) => this with { Environment = new(Environment) { [variable] = value } };

    /// <summary>Runs it to its end.</summary>
    public async Task<Outcome> RunAsync()
    {
        await using var running = Start();
        return await running.WaitAsync();
    }

    public RunningErgon Start()
    {
        var info = new ProcessStartInfo(File, Arguments)
        {
            RedirectStandardInput = true,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = WorkingDirectory ?? "",
        };
        foreach (var (name, value) in Environment)
        {
            if (value is null) info.Environment.Remove(name);
            else info.Environment[name] = value;
        }

        return new RunningErgon(System.Diagnostics.Process.Start(info)!, Input, Deadline);
    }
}

/// <summary>How ergon ended, and what it wrote.</summary>
internal sealed record Outcome(int ExitCode, byte[] Output, string Error)
{
    public string Text => System.Text.Encoding.UTF8.GetString(Output);
}
