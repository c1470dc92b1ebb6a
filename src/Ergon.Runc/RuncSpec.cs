using System.Text.Json.Nodes;
using Ergon.Images;

namespace Ergon.Runc;

/// <summary>The parameters of the <c>runc</c> engine spec; they have the names that those of <c>docker</c> have.</summary>
public sealed record RuncSpec
{
    /// <summary>The engine spec type.</summary>
    public const string Type = "runc";

    private static readonly string[] Names =
    [
        "image", "entrypoint", "cmd", "environment", "working_directory", "user", "hostname", "init", "stop_signal", "read_only_root",
        "cap_add", "pull_policy", "platform", "privileged",
    ];

    /// <summary>
    /// The image (<c>image</c>): a reference as for Docker, or one of a named place: <c>docker://REF</c>, <c>docker-daemon:REF</c>,
    /// <c>oci:DIR[:TAG]</c>, <c>oci-archive:FILE</c>, <c>docker-archive:FILE[:REF]</c>, <c>rootfs:PATH</c> (a directory).
    /// </summary>
    public required string Image { get; init; }

    /// <summary>Replaces the image's entrypoint (<c>entrypoint</c>), and with it the image's command. <see langword="null"/>: the image's own.</summary>
    public IReadOnlyList<string>? Entrypoint { get; init; }

    /// <summary>Replaces the image's command (<c>cmd</c>). <see langword="null"/>: the image's own.</summary>
    public IReadOnlyList<string>? Cmd { get; init; }

    /// <summary>Variables (<c>environment</c>) that win over the image's; those of the request win over these.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The directory to start in (<c>working_directory</c>); made if it is missing.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary><c>name|uid[:group|gid]</c> (<c>user</c>). <see langword="null"/>: the image's.</summary>
    public string? User { get; init; }

    /// <summary>The host name inside (<c>hostname</c>). <see langword="null"/>: made from the execution id.</summary>
    public string? Hostname { get; init; }

    /// <summary>
    /// Whether a tiny init is the first process (<c>init</c>): it reaps orphans and lets signals end a job that does not handle them.
    /// <see langword="null"/>: it is. Provision scripts need it.
    /// </summary>
    public bool? Init { get; init; }

    /// <summary>What asks the job to stop (<c>stop_signal</c>). <see langword="null"/>: what the image says, else SIGTERM.</summary>
    public Signal? StopSignal { get; init; }

    /// <summary>Whether the root file system cannot be written (<c>read_only_root</c>).</summary>
    public bool ReadOnlyRoot { get; init; }

    /// <summary>Capabilities to add (<c>cap_add</c>); the operator's policy must allow each.</summary>
    public IReadOnlyList<string> CapAdd { get; init; } = [];

    /// <summary>When to pull (<c>pull_policy</c>).</summary>
    public PullPolicy PullPolicy { get; init; }

    /// <summary>The platform to pull (<c>platform</c>), such as <c>linux/arm64</c>. <see langword="null"/>: this machine's.</summary>
    public string? Platform { get; init; }

    /// <summary>Creates the engine spec of a request.</summary>
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
        return SpecConfig.Create(Type, parameters);
    }

    /// <summary>Reads the general form; what is wrong is added to <paramref name="problems"/>.</summary>
    internal static RuncSpec Read(SpecConfig spec, RequestProblems problems)
    {
        var parameters = new SpecParameters(spec, Names, problems);
        var image = parameters.Text("image") ?? "";
        if (image.Length == 0) problems.Invalid(SpecParameters.Field("image"), "is missing; name an image such as busybox:latest, or a directory as rootfs:/PATH.");
        else if (!ImageSource.TryParse(image, out _, out var problem)) problems.Invalid(SpecParameters.Field("image"), $"'{image}' {problem}");
        var platform = parameters.Text("platform");
        if (platform is not null && !Images.Platform.TryParse(platform, out _)) problems.Invalid(SpecParameters.Field("platform"), $"is '{platform}'; give os/architecture[/variant], such as linux/amd64.");
        if (parameters.Flag("privileged") == true) problems.NotSupported(SpecParameters.Field("privileged"), "is not offered by the runc executor; ask for capabilities (cap_add), or use the docker executor.");
        return new RuncSpec
        {
            Image = image,
            Entrypoint = parameters.TextList("entrypoint"),
            Cmd = parameters.TextList("cmd"),
            Environment = parameters.Variables("environment"),
            WorkingDirectory = parameters.AbsolutePath("working_directory"),
            User = parameters.Text("user"),
            Hostname = parameters.Hostname("hostname"),
            Init = parameters.Flag("init"),
            StopSignal = parameters.SignalOf("stop_signal"),
            ReadOnlyRoot = parameters.Flag("read_only_root") ?? false,
            CapAdd = parameters.TextList("cap_add") ?? [],
            PullPolicy = parameters.PullPolicy(problems),
            Platform = platform,
        };
    }

    private static JsonArray ToArray(IEnumerable<string> texts) => [.. texts.Select(t => (JsonNode?)t)];
}
