namespace Ergon.Process.Native;

/// <summary>A command to start for a job: what, with which environment, where.</summary>
internal sealed record JobCommand
{
    /// <summary>The directories searched for commands when the environment names none.</summary>
    public const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    public required IReadOnlyList<string> Arguments { get; init; }

    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    public required string WorkingDirectory { get; init; }

    /// <summary>The paths at which the program may be, in the order in which they are tried.</summary>
    public IReadOnlyList<string> Candidates
    {
        get
        {
            var name = Arguments[0];
            if (name.Contains('/')) return [name];
            if (name.Length == 0) return [];
            var path = Environment.TryGetValue("PATH", out var own) ? own : DefaultPath;
            return [.. path.Split(':').Select(directory => directory.Length == 0 ? name : $"{directory}/{name}")];
        }
    }

    /// <summary>The environment in the kernel's form.</summary>
    public IReadOnlyList<string> Variables => [.. Environment.Select(pair => $"{pair.Key}={pair.Value}")];
}
