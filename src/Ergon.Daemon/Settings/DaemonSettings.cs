using Ergon.Daemon.Settings;

namespace Ergon.Daemon;

/// <summary>Where the settings of a daemon come from: a file, variables over the file, and what was set by hand over both.</summary>
public sealed record DaemonSettings
{
    /// <summary>What the variables begin with: <c>ERGON_DAEMON_ADMISSION__MAX_QUEUED</c> is <c>admission.max_queued</c>.</summary>
    public const string VariablePrefix = "ERGON_DAEMON_";

    private const string FileVariable = VariablePrefix + "CONFIG";
    private const string Level = "__";

    /// <summary>The JSON file. <see langword="null"/>: the one that <c>ERGON_DAEMON_CONFIG</c> names, if it does.</summary>
    public string? File { get; init; }

    /// <summary>The variables; those that do not begin with <see cref="VariablePrefix"/> are not looked at.</summary>
    public IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();

    /// <summary>What is set by hand, each as <c>admission.max_queued=100</c>; the last one counts.</summary>
    public IReadOnlyList<string> Set { get; init; } = [];

    /// <summary>What holds where nobody says anything.</summary>
    public required DaemonOptions Defaults { get; init; }

    /// <summary>Reads the settings.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> with everything that is wrong.</exception>
    public DaemonOptions Read()
    {
        var problems = new RequestProblems();
        var tree = new SettingsTree(problems);
        if ((File ?? Variables.GetValueOrDefault(FileVariable)) is { Length: > 0 } file) tree.AddFile(file);
        foreach (var (name, value) in Variables.OrderBy(v => v.Key, StringComparer.Ordinal))
        {
            if (!name.StartsWith(VariablePrefix, StringComparison.Ordinal) || name == FileVariable) continue;
            tree.Set(name, name[VariablePrefix.Length..].Replace(Level, ".", StringComparison.Ordinal).ToLowerInvariant(), value);
        }

        foreach (var assignment in Set)
        {
            var split = assignment.IndexOf('=', StringComparison.Ordinal);
            if (split > 0) tree.Set("--set", assignment[..split], assignment[(split + 1)..]);
            else problems.Invalid("--set", $"'{Json.Quoted.Clip(assignment)}' is not NAME=VALUE, such as admission.max_queued=100.");
        }

        var options = tree.Read().ApplyTo(Defaults);
        ActiveSettings.Load(options, problems);
        problems.ThrowIfAny();
        return options;
    }
}
