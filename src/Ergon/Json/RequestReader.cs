using System.Text.Json;

namespace Ergon.Json;

/// <summary>Reads a request from JSON, as Ergon or as a Go encoder writes it, and reports every problem at once.</summary>
internal sealed class RequestReader
{
    private const string IdRule = Identifier.Rule;

    private readonly JsonProblems _problems;

    private RequestReader(JsonProblems problems) => _problems = problems;

    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> with every problem of the JSON.</exception>
    public static ExecutionRequest Read(ReadOnlyMemory<byte> utf8Json, RequestDefaults defaults)
    {
        var problems = new JsonProblems();
        using var document = JsonText.Parse(utf8Json, problems);
        var request = document is null ? null : new RequestReader(problems).Read(document.RootElement, defaults);
        problems.ThrowIfAny(request is null || request.ExecutionId == default ? null : request.ExecutionId);
        return request!;
    }

    private ExecutionRequest? Read(JsonElement root, RequestDefaults defaults)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            _problems.Invalid(JsonText.Whole, "is JSON, but not an object; give an object with job_id, execution_id, engine_spec, ...");
            return null;
        }

        // The problems are listed in the order in which the fields are read here.
        var fields = new JsonFields(root, "", RequestFields.Request, _problems);
        return new ExecutionRequest
        {
            JobId = ReadJobId(fields, defaults),
            ExecutionId = ReadExecutionId(fields, defaults),
            EngineSpec = ReadEngineSpec(fields, defaults),
            Resources = ReadResources(fields["resources"]),
            Inputs = fields["inputs"]?.List(ReadVolume, "a list of volumes") ?? [],
            Outputs = fields["outputs"]?.List(ReadVolume, "a list of volumes") ?? [],
            ResultsDir = fields["results_dir"]?.Text(),
            Environment = VariablesReader.ReadEnvironment(fields["environment"]),
            Timeouts = ReadTimeouts(fields["timeouts"]),
            Network = NetworkReader.Read(fields),
            ProvisionScripts = ScriptReader.Read(fields["provision_scripts"]),
            PersistLogs = fields["persist_logs"]?.Time(),
            LogLimits = ReadLogLimits(fields["log_limits"]),
            Priority = (int)(fields["priority"]?.Integer(int.MinValue, int.MaxValue) ?? 0),
            RequestKey = fields["request_key"]?.Text(),
            Labels = VariablesReader.ReadObject(fields["labels"]),
        };
    }

    private static JobId ReadJobId(JsonFields fields, RequestDefaults defaults)
    {
        if (fields["job_id"] is null && defaults.JobId is { } known) return known;
        if (fields.Required("job_id", IdRule) is not { } value || value.Text() is not { } text) return default;
        if (!JobId.TryParse(text, out var id)) value.Invalid($"is '{Quoted.Clip(text)}'; give {IdRule}.");
        return id;
    }

    private static ExecutionId ReadExecutionId(JsonFields fields, RequestDefaults defaults)
    {
        if (fields["execution_id"] is null && defaults.ExecutionId is { } known) return known;
        if (fields.Required("execution_id", IdRule) is not { } value || value.Text() is not { } text) return default;
        if (!ExecutionId.TryParse(text, out var id)) value.Invalid($"is '{Quoted.Clip(text)}'; give {IdRule}.");
        return id;
    }

    private SpecConfig ReadEngineSpec(JsonFields fields, RequestDefaults defaults)
    {
        const string typeRule = "the executor to use, such as docker or process";
        var spec = fields["engine_spec"] is { } given ? given.Fields(RequestFields.EngineSpec) : null;
        if (spec is null && fields["engine_spec"] is null && defaults.EngineType is null)
            _problems.Invalid("engine_spec.type", $"is missing; give {typeRule}.");
        if (spec is null) return new SpecConfig { Type = defaults.EngineType ?? "" };
        var type = spec["type"] is null && defaults.EngineType is { } known ? known : spec.Required("type", typeRule)?.Text();
        var parameters = new Dictionary<string, JsonElement>();
        foreach (var (name, value) in spec["params"]?.Entries("an object of parameters") ?? [])
            if (value.Opaque() is { } parameter) parameters.Add(name, parameter);
        return new SpecConfig { Type = type ?? "", Params = parameters };
    }

    private static Resources ReadResources(JsonValue? value)
    {
        var defaults = new Resources();
        if (value?.Fields(RequestFields.Resources) is not { } fields) return defaults;
        return new Resources
        {
            Cpu = fields["cpu"]?.Number(),
            Memory = fields["memory"]?.Size(),
            Disk = fields["disk"]?.Size(),
            Pids = fields["pids"]?.Integer() ?? defaults.Pids,
            Gpus = fields["gpus"]?.List(ReadGpu, "a list of GPUs") ?? [],
        };
    }

    private static Gpu? ReadGpu(JsonValue value)
    {
        var defaults = new Gpu();
        if (value.Fields(RequestFields.Gpu) is not { } fields) return null;
        return new Gpu { Vendor = fields["vendor"]?.Choice<GpuVendor>() ?? defaults.Vendor, Device = fields["device"]?.Text() };
    }

    private static StorageVolume? ReadVolume(JsonValue value)
    {
        if (value.Fields(RequestFields.Volume) is not { } fields) return null;
        var type = fields["type"]?.Text();
        var volume = new StorageVolume
        {
            Source = fields.Required("source", "where the data is on the host")?.Text() ?? "",
            Target = fields.Required("target", "the absolute path inside the execution")?.Text() ?? "",
            ReadOnly = fields["read_only"]?.Flag() ?? false,
        };
        return type is null ? volume : volume with { Type = type };
    }

    private static Timeouts ReadTimeouts(JsonValue? value)
    {
        var defaults = new Timeouts();
        if (value?.Fields(RequestFields.Timeouts) is not { } fields) return defaults;
        return new Timeouts
        {
            Prepare = fields["prepare"]?.Time() ?? defaults.Prepare,
            Run = fields["run"]?.Time(),
            StopGrace = fields["stop_grace"]?.Time() ?? defaults.StopGrace,
        };
    }

    private static LogLimits ReadLogLimits(JsonValue? value)
    {
        var defaults = new LogLimits();
        if (value?.Fields(RequestFields.LogLimits) is not { } fields) return defaults;
        return new LogLimits
        {
            MaxBytesPerStream = fields["max_bytes_per_stream"]?.Size() ?? defaults.MaxBytesPerStream,
            ResultBytes = (int?)fields["result_bytes"]?.Size(int.MinValue, int.MaxValue) ?? defaults.ResultBytes,
        };
    }
}
