using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ergon.Images;

namespace Ergon.Cli;

/// <summary>Makes the request of <c>ergon run</c> from the job file, if there is one, and the flags, which win over it.</summary>
internal sealed class RequestBuilder(ParseResult parsed, RunOptions options)
{
    private const string Undecided = "auto";

    // What is not kept cannot be shown: a command line shows all of it, within reason.
    private const long ShownBytes = 4L << 30;

    // More than any machine has; a slip of the finger must not become a huge request.
    private const int MaxGpus = 64;

    private readonly RequestProblems _problems = new();

    /// <summary>Whether nobody named the executor, so that it was chosen here.</summary>
    public bool ExecutorChosen { get; private set; }

    /// <summary>Whether nobody named the directory of the results, so that it was chosen here.</summary>
    public bool ResultsDirChosen { get; private set; }

    /// <summary>Builds the request; its engine spec names the executor to use.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> with everything that is wrong.</exception>
    public async Task<ExecutionRequest> BuildAsync()
    {
        var flags = new FlagParser(_problems);
        var file = parsed.GetValue(options.File);
        var given = file is null ? Empty : await ReadAsync(file);
        var request = given ?? Empty;
        request = request with
        {
            JobId = flags.Job("--job-id", parsed.GetValue(options.JobId)) ?? request.JobId,
            ExecutionId = flags.Execution("--id", parsed.GetValue(options.Id)) ?? request.ExecutionId,
            Resources = Resources(request.Resources, flags),
            Timeouts = Timeouts(request.Timeouts, flags),
            Environment = Merge(request.Environment, options.Environment, "-e", flags, inherit: true),
            Labels = Merge(request.Labels, options.Labels, "--label", flags, inherit: false),
            Inputs = [.. request.Inputs, .. Given(options.Volumes).Select(flags.Volume).OfType<StorageVolume>()],
            Outputs = [.. request.Outputs, .. Given(options.Outputs).Select(flags.Output).OfType<StorageVolume>()],
            Network = Network(request.Network, flags),
            ResultsDir = parsed.GetValue(options.Results) is { } results ? Path.GetFullPath(results) : request.ResultsDir,
        };

        // What a wrong file says about the executor is not known; of the rest, everything that is wrong is said at once.
        if (given is not null) request = request with { EngineSpec = EngineSpec(given.EngineSpec) };
        _problems.ThrowIfAny();
        ResultsDirChosen = request.Outputs.Count > 0 && request.ResultsDir is null;
        if (ResultsDirChosen)
            request = request with { ResultsDir = Path.GetFullPath(Path.Combine("ergon-results", request.ExecutionId.Value)) };
        return request;
    }

    private static ExecutionRequest Empty => new()
    {
        JobId = JobId.Parse("cli"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = new SpecConfig { Type = Undecided },
        LogLimits = new LogLimits { MaxBytesPerStream = ShownBytes },
    };

    private async Task<ExecutionRequest?> ReadAsync(string file)
    {
        var content = await JobFile.ReadAsync(file);
        var defaults = new RequestDefaults { JobId = Empty.JobId, ExecutionId = ExecutionId.New(), EngineType = Undecided };
        try
        {
            return ErgonJson.ParseRequest(content, defaults);
        }
        catch (ExecutorException e) when (e.Problems.Count > 0)
        {
            foreach (var problem in e.Problems) _problems.Invalid(problem.Field, problem.Message);
            return null;
        }
    }

    private Resources Resources(Resources resources, FlagParser flags)
    {
        var gpus = flags.Count("--gpus", parsed.GetValue(options.Gpus));
        if (gpus > MaxGpus) _problems.Invalid("--gpus", $"'{gpus}' is too many; give at most {MaxGpus}.");
        return resources with
        {
            Cpu = flags.Number("--cpus", parsed.GetValue(options.Cpus)) ?? resources.Cpu,
            Memory = flags.Size("--memory", parsed.GetValue(options.Memory)) ?? resources.Memory,
            Disk = flags.Size("--disk", parsed.GetValue(options.Disk)) ?? resources.Disk,
            Pids = flags.Count("--pids", parsed.GetValue(options.Pids)) ?? resources.Pids,
            Gpus = gpus is { } count ? [.. Enumerable.Repeat(new Gpu(), Math.Min(count, MaxGpus))] : resources.Gpus,
        };
    }

    private Timeouts Timeouts(Timeouts timeouts, FlagParser flags) => timeouts with
    {
        Run = flags.Time("--timeout", parsed.GetValue(options.Timeout)) ?? timeouts.Run,
        Prepare = flags.Time("--prepare-timeout", parsed.GetValue(options.PrepareTimeout)) ?? timeouts.Prepare,
        StopGrace = flags.Time("--stop-grace", parsed.GetValue(options.StopGrace)) ?? timeouts.StopGrace,
    };

    private NetworkSpec Network(NetworkSpec network, FlagParser flags) => network with
    {
        Mode = parsed.GetValue(options.Network) is { } mode ? Enum.Parse<NetworkMode>(mode, ignoreCase: true) : network.Mode,
        Ports = [.. network.Ports, .. Given(options.Ports).Select(flags.Port).OfType<PortMapping>()],
    };

    private SpecConfig EngineSpec(SpecConfig spec)
    {
        var changes = new JsonObject();
        if (parsed.GetValue(options.Image) is { } image) changes["image"] = ImageSource.WithFullPath(image);
        if (parsed.GetValue(options.Entrypoint) is { } entrypoint) changes["entrypoint"] = new JsonArray(entrypoint);
        if (parsed.GetValue(options.WorkingDirectory) is { } directory) changes["working_directory"] = directory;
        if (parsed.GetValue(options.User) is { } user) changes["user"] = user;
        if (parsed.GetValue(options.Pull) is { } pull) changes["pull_policy"] = pull;
        if ((string[])[.. parsed.GetValue(options.Command) ?? [], .. options.CommandLine] is { Length: > 0 } command) changes["cmd"] = new JsonArray([.. command.Select(c => (JsonNode?)c)]);
        var parameters = new Dictionary<string, JsonElement>(spec.Params);
        foreach (var (name, value) in SpecConfig.Create(spec.Type, changes).Params) parameters[name] = value;
        return new SpecConfig { Type = Choose(spec.Type, parameters), Params = parameters };
    }

    private string Choose(string type, Dictionary<string, JsonElement> parameters)
    {
        var asked = parsed.GetValue(options.Executor);
        if (asked is null or Undecided) asked = type;
        var hasImage = parameters.ContainsKey("image");
        ExecutorChosen = asked == Undecided;

        // An image is a demand: without a Docker Engine that is an error, and never a job on the host instead. Without an image there is
        // nothing to run in a container.
        if (ExecutorChosen) asked = hasImage ? "docker" : "process";
        if (asked == "process" && hasImage) _problems.Invalid("--image", "needs an executor with images: leave out '--executor process', or leave out the image.");
        if (asked == "process" && parameters.ContainsKey("pull_policy")) _problems.Invalid("--pull", "needs an image (--image).");
        if (asked is "docker" or "runc" && !hasImage) _problems.Invalid("--image", "is missing: name the image to run in, such as --image busybox, or use '--executor process'.");
        if (asked == "process" && !parameters.ContainsKey("cmd") && !parameters.ContainsKey("entrypoint")) _problems.Invalid("COMMAND", "is missing: give it after --, such as 'ergon run -- echo hello'.");
        return asked;
    }

    private Dictionary<string, string> Merge(IReadOnlyDictionary<string, string> given, Option<string[]> option, string flag, FlagParser flags, bool inherit)
    {
        var merged = new Dictionary<string, string>(given);
        flags.Variables(flag, Given(option), merged, inherit);
        return merged;
    }

    private string[] Given(Option<string[]> option) => parsed.GetValue(option) ?? [];
}
