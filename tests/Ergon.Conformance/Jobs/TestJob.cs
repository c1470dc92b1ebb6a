namespace Ergon.Conformance;

/// <summary>A job of the suite, in words that every backend can put into its own engine spec.</summary>
public sealed record TestJob
{
    /// <summary>What it does, unless it is a <see cref="Program"/>. A job that comes to the end of its steps exits with 0.</summary>
    public IReadOnlyList<Step> Steps { get; init; } = [];

    /// <summary>A command line to run as it is, instead of steps.</summary>
    public IReadOnlyList<string>? Program { get; init; }

    /// <summary>The arguments that <see cref="Conformance.Steps.PrintArguments"/> sees.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Variables that the engine spec (not the request) sets.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The directory that the engine spec sets, if any.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>The command line for backends that have a <c>/bin/sh</c>.</summary>
    public IReadOnlyList<string> ToCommand() => Program ?? ["/bin/sh", "-c", ShellScript.From(Steps), "sh", .. Arguments];
}
