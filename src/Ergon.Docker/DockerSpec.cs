using System.Text.Json.Nodes;
using Ergon.Images;

namespace Ergon.Docker;

/// <summary>The parameters of the <c>docker</c> engine spec.</summary>
public sealed record DockerSpec
{
    /// <summary>The names of all parameters.</summary>
    internal static readonly string[] Names =
    [
        "image", "entrypoint", "cmd", "environment", "working_directory", "user", "hostname", "init", "stop_signal", "read_only_root",
        "cap_add", "pull_policy", "platform", "privileged",
    ];

    /// <summary>The image: <c>[registry/]name[:tag][@digest]</c>.</summary>
    public required string Image { get; init; }

    /// <summary>Replaces the image's entrypoint, and with it the image's command. <see langword="null"/>: the image's own.</summary>
    public IReadOnlyList<string>? Entrypoint { get; init; }

    /// <summary>Replaces the image's command. <see langword="null"/>: the image's own.</summary>
    public IReadOnlyList<string>? Cmd { get; init; }

    /// <summary>Variables that win over the image's; those of the request win over these.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The directory to start in; made if it is missing.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary><c>name|uid[:group|gid]</c>. <see langword="null"/>: the image's.</summary>
    public string? User { get; init; }

    /// <summary>The host name inside.</summary>
    public string? Hostname { get; init; }

    /// <summary>Whether a tiny init is the first process: it reaps orphans and lets signals end a job that does not handle them. <see langword="null"/>: it is.</summary>
    public bool? Init { get; init; }

    /// <summary>What asks the job to stop. <see langword="null"/>: what the image says, else SIGTERM.</summary>
    public Signal? StopSignal { get; init; }

    /// <summary>Whether the root file system cannot be written.</summary>
    public bool ReadOnlyRoot { get; init; }

    /// <summary>Capabilities to add; the operator's policy must allow each.</summary>
    public IReadOnlyList<string> CapAdd { get; init; } = [];

    /// <summary>When to pull.</summary>
    public PullPolicy PullPolicy { get; init; }

    /// <summary>The platform to pull, such as <c>linux/arm64</c>. <see langword="null"/>: the Engine's own.</summary>
    public string? Platform { get; init; }

    /// <summary>Whether the container is privileged; the operator's policy must allow it.</summary>
    public bool Privileged { get; init; }

    /// <summary>The spec in its general form.</summary>
    public SpecConfig ToSpecConfig()
    {
        var parameters = new JsonObject { ["image"] = Image };
        if (Entrypoint is not null) parameters["entrypoint"] = ToArray(Entrypoint);
        if (Cmd is not null) parameters["cmd"] = ToArray(Cmd);
        if (Environment.Count > 0) parameters["environment"] = new JsonObject(Environment.Select(v => KeyValuePair.Create(v.Key, (JsonNode?)v.Value)));
        if (WorkingDirectory is not null) parameters["working_directory"] = WorkingDirectory;
        if (User is not null) parameters["user"] = User;
        if (Hostname is not null) parameters["hostname"] = Hostname;
        if (Init is { } init) parameters["init"] = init;
        if (StopSignal is { } signal) parameters["stop_signal"] = signal.Name;
        if (ReadOnlyRoot) parameters["read_only_root"] = true;
        if (CapAdd.Count > 0) parameters["cap_add"] = ToArray(CapAdd);
        if (PullPolicy != PullPolicy.Missing) parameters["pull_policy"] = PullPolicy == PullPolicy.Always ? "always" : "never";
        if (Platform is not null) parameters["platform"] = Platform;
        if (Privileged) parameters["privileged"] = true;
        return SpecConfig.Create(DockerDriver.DriverName, parameters);
    }

    /// <summary>Reads the general form; what is wrong is added to <paramref name="problems"/>.</summary>
    internal static DockerSpec Read(SpecConfig spec, RequestProblems problems)
    {
        var parameters = new SpecParameters(spec, Names, problems);
        var image = parameters.Text("image") ?? "";
        if (image.Length == 0) problems.Invalid(SpecParameters.Field("image"), "is missing; name an image such as busybox:latest.");
        else if (!ImageReference.TryParse(image, out _)) problems.Invalid(SpecParameters.Field("image"), $"is '{image}', which is not an image reference; give [registry/]name[:tag][@digest] in lower case.");
        return new DockerSpec
        {
            Image = image,
            Entrypoint = parameters.TextList("entrypoint"),
            Cmd = parameters.TextList("cmd"),
            Environment = parameters.Variables("environment"),
            WorkingDirectory = parameters.AbsolutePath("working_directory"),
            User = parameters.Text("user"),
            Hostname = parameters.Text("hostname"),
            Init = parameters.Flag("init"),
            StopSignal = parameters.SignalOf("stop_signal"),
            ReadOnlyRoot = parameters.Flag("read_only_root") ?? false,
            CapAdd = parameters.TextList("cap_add") ?? [],
            PullPolicy = parameters.PullPolicy(problems),
            Platform = parameters.Text("platform"),
            Privileged = parameters.Flag("privileged") ?? false,
        };
    }

    private static JsonArray ToArray(IEnumerable<string> texts) => [.. texts.Select(t => (JsonNode?)t)];
}
