namespace Ergon.Json;

/// <summary>The fields that an object may have, found without regard to case and underscores.</summary>
internal sealed class FieldNames
{
    private readonly Dictionary<string, string> _byNormalName = [];

    /// <param name="known">The names as Ergon writes them.</param>
    /// <param name="others">Further names that are read, each with the field that it stands for.</param>
    public FieldNames(IReadOnlyList<string> known, params IReadOnlyList<(string Other, string Field)> others)
    {
        Known = known;
        foreach (var name in known) _byNormalName.Add(NearestName.Normalize(name), name);
        foreach (var (other, field) in others) _byNormalName.Add(NearestName.Normalize(other), field);
    }

    /// <summary>The names as Ergon writes them.</summary>
    public IReadOnlyList<string> Known { get; }

    /// <summary>The field that a name stands for; <see langword="null"/> when there is none.</summary>
    public string? Find(string written) => _byNormalName.GetValueOrDefault(NearestName.Normalize(written));
}

/// <summary>The fields of a request. What a Go encoder calls by another name, or keeps in another place, is said here.</summary>
internal static class RequestFields
{
    /// <summary>Where the fields of the network are that Go keeps in the request itself.</summary>
    public const string Ports = "network.ports";

    /// <inheritdoc cref="Ports"/>
    public const string GatewayIp = "network.gateway_ip";

    public static readonly FieldNames Request = new(
        [
            "job_id", "execution_id", "engine_spec", "resources", "inputs", "outputs", "results_dir", "environment", "timeouts", "network",
            "provision_scripts", "persist_logs", "log_limits", "priority", "request_key", "labels",
        ],
        ("PortsToBind", Ports),
        ("GatewayIP", GatewayIp),
        ("PersistLogsDuration", "persist_logs"));

    public static readonly FieldNames EngineSpec = new(["type", "params"]);

    public static readonly FieldNames Resources = new(["cpu", "memory", "disk", "pids", "gpus"]);

    public static readonly FieldNames Gpu = new(["vendor", "device"]);

    public static readonly FieldNames Volume = new(["type", "source", "target", "read_only"]);

    public static readonly FieldNames Timeouts = new(["prepare", "run", "stop_grace"]);

    public static readonly FieldNames Network = new(["mode", "ports", "gateway_ip", "dns"]);

    public static readonly FieldNames Port = new(["host_ip", "host_port", "executor_port", "protocol"], ("IP", "host_ip"));

    public static readonly FieldNames Script = new(["name", "content", "script"]);

    public static readonly FieldNames LogLimits = new(["max_bytes_per_stream", "result_bytes"]);
}
