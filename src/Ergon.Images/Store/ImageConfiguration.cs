namespace Ergon.Images.Store;

/// <summary>What an image says about how it wants to be run.</summary>
internal sealed record ImageConfiguration
{
    public IReadOnlyList<string> Entrypoint { get; init; } = [];

    public IReadOnlyList<string> Cmd { get; init; } = [];

    /// <summary>Variables, as <c>NAME=VALUE</c>.</summary>
    public IReadOnlyList<string> Env { get; init; } = [];

    /// <summary><c>name|uid[:group|gid]</c>; empty means root.</summary>
    public string User { get; init; } = "";

    public string WorkingDir { get; init; } = "";

    public string? StopSignal { get; init; }

    /// <summary>Such as <c>80/tcp</c>.</summary>
    public IReadOnlyList<string> ExposedPorts { get; init; } = [];

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>The platform that it is for, such as <c>linux/arm64/v8</c>.</summary>
    public string Platform { get; init; } = "";
}
