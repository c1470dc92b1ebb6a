using System.Text.Json.Nodes;

namespace Ergon.Process;

/// <summary>The engine spec of the process executor. <see cref="Entrypoint"/> and <see cref="Cmd"/>, one after the other, are the command line.</summary>
public sealed record ProcessSpec
{
    /// <summary>The engine spec type.</summary>
    public const string Type = "process";

    /// <summary>The first part of the command line (<c>entrypoint</c>).</summary>
    public IReadOnlyList<string> Entrypoint { get; init; } = [];

    /// <summary>The second part of the command line (<c>cmd</c>).</summary>
    public IReadOnlyList<string> Cmd { get; init; } = [];

    /// <summary>Environment variables (<c>environment</c>); those of the request win over them.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The absolute directory to start in (<c>working_directory</c>). <see langword="null"/>: the private <c>/tmp</c>.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>The user to run as (<c>user</c>), if the operator allows it. <see langword="null"/>: <see cref="ProcessOptions.User"/>.</summary>
    public string? User { get; init; }

    /// <summary>The host name inside (<c>hostname</c>). <see langword="null"/>: made from the execution id.</summary>
    public string? Hostname { get; init; }

    /// <summary>The signal that asks the job to stop (<c>stop_signal</c>).</summary>
    public Signal StopSignal { get; init; } = Signal.Terminate;

    /// <summary>The whole command line.</summary>
    internal IReadOnlyList<string> Arguments => [.. Entrypoint, .. Cmd];

    /// <summary>Creates the engine spec of a request.</summary>
    public SpecConfig ToSpecConfig()
    {
        var parameters = new JsonObject();
        if (Entrypoint.Count > 0) parameters["entrypoint"] = Array(Entrypoint);
        if (Cmd.Count > 0) parameters["cmd"] = Array(Cmd);
        if (Environment.Count > 0) parameters["environment"] = Array(Environment.Select(pair => $"{pair.Key}={pair.Value}"));
        if (WorkingDirectory is not null) parameters["working_directory"] = WorkingDirectory;
        if (User is not null) parameters["user"] = User;
        if (Hostname is not null) parameters["hostname"] = Hostname;
        if (StopSignal != Signal.Terminate) parameters["stop_signal"] = StopSignal.Name;
        return SpecConfig.Create(Type, parameters);

        static JsonArray Array(IEnumerable<string> texts) => new([.. texts.Select(text => (JsonNode)JsonValue.Create(text))]);
    }
}
