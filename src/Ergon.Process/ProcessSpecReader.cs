namespace Ergon.Process;

/// <summary>Reads a <see cref="ProcessSpec"/> from the parameters of a request and tells everything that is wrong with them.</summary>
internal static class ProcessSpecReader
{
    private static readonly string[] Names =
        ["entrypoint", "cmd", "environment", "working_directory", "user", "hostname", "stop_signal"];

    public static ProcessSpec Read(SpecConfig config, RequestProblems problems)
    {
        var before = problems.Count;
        var parameters = new SpecParameters(config, Names, problems);
        var spec = new ProcessSpec
        {
            Entrypoint = parameters.TextList("entrypoint") ?? [],
            Cmd = parameters.TextList("cmd") ?? [],
            Environment = parameters.Variables("environment"),
            User = parameters.Text("user"),
            StopSignal = parameters.SignalOf("stop_signal") ?? Signal.Terminate,
        };
        if (spec.Arguments.Count == 0 && problems.Count == before)
            problems.Invalid(SpecParameters.Field("cmd"), "is missing; give the command as entrypoint, cmd, or both.");
        else if (spec.Arguments is ["", ..])
            problems.Invalid(SpecParameters.Field(spec.Entrypoint.Count > 0 ? "entrypoint" : "cmd"), "begins with an empty program name.");
        return spec with { WorkingDirectory = parameters.AbsolutePath("working_directory"), Hostname = parameters.Hostname("hostname") };
    }
}
