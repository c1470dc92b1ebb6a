using System.Text.Json.Nodes;
using CsCheck;

namespace Ergon.Tests.Json;

/// <summary>Generators of the contract's values: everything that can be written, also what no executor would accept.</summary>
internal static class Generated
{
    private const string IdCharacters = "abcXYZ019._-";

    // Every letter that needs care: escapes, quotes, two to four bytes of UTF-8, a byte order mark, a terminal's escape.
    private static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.Char['!', '~'].Select(c => c.ToString()),
        Of("\"", "\\", "/", "\n", "\t", "\u0001", "\u001b", "\u007f", "\u0085", "\u2028", "\uFEFF", "\uFFFD", "ü", "漢", "😀", "<", "&", "="))
        .List[0, 12].Select(string.Concat);

    private static readonly Gen<string> Id = Gen.Select(
        Of("a", "Z", "7"), Of(IdCharacters.ToCharArray()).Array[0, 20], (first, rest) => first + new string(rest));

    private static readonly Gen<byte[]> Bytes = Gen.OneOf(Gen.Byte.Array[0, 40], AnyText.Select(System.Text.Encoding.UTF8.GetBytes));

    private static readonly Gen<TimeSpan> Time = Gen.OneOf(
        Gen.Long[0, TimeSpan.MaxValue.Ticks].Select(TimeSpan.FromTicks), Gen.Int[0, 1000].Select(i => TimeSpan.FromSeconds(i)));

    private static readonly Gen<DateTimeOffset> Moment = Gen.Long[0, DateTime.MaxValue.Ticks].Select(ticks => new DateTimeOffset(ticks, TimeSpan.Zero));

    private static readonly Gen<IReadOnlyDictionary<string, string>> Variables = Gen.Select(AnyText, AnyText).List[0, 4].Select(Map);

    private static readonly Gen<JsonNode> Parameter = Gen.OneOf(
        AnyText.Select(text => (JsonNode)JsonValue.Create(text)!),
        Gen.Double.Where(double.IsFinite).Select(number => (JsonNode)JsonValue.Create(number)),
        Gen.Long.Select(number => (JsonNode)JsonValue.Create(number)),
        Gen.Bool.Select(flag => (JsonNode)JsonValue.Create(flag)),
        AnyText.List[0, 3].Select(list => (JsonNode)new JsonArray([.. list.Select(t => (JsonNode)JsonValue.Create(t)!)])),
        Variables.Select(map => (JsonNode)new JsonObject(map.Select(e => KeyValuePair.Create(e.Key, (JsonNode?)JsonValue.Create(e.Value))))));

    private static readonly Gen<SpecConfig> Spec = Gen.Select(Id, Gen.Select(AnyText, Parameter).List[0, 4], (type, parameters) =>
    {
        var given = new JsonObject();
        foreach (var (name, value) in parameters) given[name] = value.DeepClone();
        return SpecConfig.Create(type, given);
    });

    private static readonly Gen<Gpu> AnyGpu = Gen.Select(Gen.Enum<GpuVendor>(), Maybe(AnyText), (vendor, device) => new Gpu { Vendor = vendor, Device = device });

    private static readonly Gen<Resources> AnyResources = Gen.Select(
        MaybeValue(Gen.Double.Where(double.IsFinite)), MaybeValue(Gen.Long), MaybeValue(Gen.Long), Gen.Long, AnyGpu.List[0, 2],
        (cpu, memory, disk, pids, gpus) => new Resources { Cpu = cpu, Memory = memory, Disk = disk, Pids = pids, Gpus = gpus });

    private static readonly Gen<StorageVolume> Volume = Gen.Select(AnyText, AnyText, AnyText, Gen.Bool, (type, source, target, readOnly) =>
        new StorageVolume { Type = type, Source = source, Target = target, ReadOnly = readOnly });

    private static readonly Gen<PortMapping> Port = Gen.Select(Maybe(AnyText), Gen.Int, Gen.Int, Gen.Enum<PortProtocol>(), (ip, host, inside, protocol) =>
        new PortMapping { HostIp = ip, HostPort = host, ExecutorPort = inside, Protocol = protocol });

    private static readonly Gen<NetworkSpec> Network = Gen.Select(
        MaybeValue(Gen.Enum<NetworkMode>()), Port.List[0, 3], Maybe(AnyText), AnyText.List[0, 2],
        (mode, ports, gateway, dns) => new NetworkSpec { Mode = mode, Ports = ports, GatewayIp = gateway, Dns = dns });

    private static readonly Gen<ProvisionScript> Script = Gen.Select(AnyText, Bytes, (name, content) => new ProvisionScript { Name = name, Content = content });

    private static readonly Gen<Timeouts> AnyTimeouts = Gen.Select(Time, MaybeValue(Time), Time, (prepare, run, grace) =>
        new Timeouts { Prepare = prepare, Run = run, StopGrace = grace });

    private static readonly Gen<LogLimits> Limits = Gen.Select(Gen.Long, Gen.Int, (log, result) => new LogLimits { MaxBytesPerStream = log, ResultBytes = result });

    private static readonly Gen<CapturedOutput> Output = Gen.Select(Bytes, Gen.Long[0, 1000], (bytes, more) =>
        new CapturedOutput { Bytes = bytes, TotalBytes = bytes.Length + more });

    public static readonly Gen<ExecutionRequest> Request =
        from ids in Gen.Select(Id, Id)
        from spec in Spec
        from resources in AnyResources
        from inputs in Volume.List[0, 2]
        from outputs in Volume.List[0, 2]
        from results in Maybe(AnyText)
        from environment in Variables
        from labels in Variables
        from timeouts in AnyTimeouts
        from network in Network
        from scripts in Script.List[0, 3]
        from persist in MaybeValue(Time)
        from limits in Limits
        from priority in Gen.Int
        from key in Maybe(AnyText)
        select new ExecutionRequest
        {
            JobId = JobId.Parse(ids.Item1),
            ExecutionId = ExecutionId.Parse(ids.Item2),
            EngineSpec = spec,
            Resources = resources,
            Inputs = inputs,
            Outputs = outputs,
            ResultsDir = results,
            Environment = environment,
            Timeouts = timeouts,
            Network = network,
            ProvisionScripts = scripts,
            PersistLogs = persist,
            LogLimits = limits,
            Priority = priority,
            RequestKey = key,
            Labels = labels,
        };

    public static readonly Gen<ExecutionResult> Result =
        from ids in Gen.Select(Id, Id)
        from end in Gen.Select(Gen.Enum<ExecutionStatus>(), Gen.Enum<TerminationReason>(), Gen.Int, MaybeValue(Gen.Int[1, 64].Select(n => new Signal(n))))
        from output in Gen.Select(Output, Output)
        from error in Maybe(AnyText)
        from times in Gen.Select(Moment, Moment, Moment)
        select new ExecutionResult
        {
            JobId = JobId.Parse(ids.Item1),
            ExecutionId = ExecutionId.Parse(ids.Item2),
            Status = end.Item1,
            Reason = end.Item2,
            ExitCode = end.Item3,
            Signal = end.Item4,
            Stdout = output.Item1,
            Stderr = output.Item2,
            Error = error,
            CreatedAt = times.Item1,
            StartedAt = times.Item2,
            FinishedAt = times.Item3,
        };

    public static readonly Gen<ExecutionInfo> Info =
        from names in Gen.Select(Id, Id, AnyText)
        from status in Gen.Enum<ExecutionStatus>()
        from times in Gen.Select(Moment, MaybeValue(Moment), MaybeValue(Moment))
        from end in Gen.Select(MaybeValue(Gen.Enum<TerminationReason>()), MaybeValue(Gen.Int), Maybe(AnyText))
        from ports in Port.List[0, 2]
        from labels in Variables
        from position in MaybeValue(Gen.Int)
        select new ExecutionInfo
        {
            JobId = JobId.Parse(names.Item1),
            ExecutionId = ExecutionId.Parse(names.Item2),
            Executor = names.Item3,
            Status = status,
            CreatedAt = times.Item1,
            StartedAt = times.Item2,
            FinishedAt = times.Item3,
            Reason = end.Item1,
            ExitCode = end.Item2,
            Error = end.Item3,
            Ports = ports,
            Labels = labels,
            QueuePosition = position,
        };

    public static readonly Gen<ExecutionEvent> Event = Gen.Select(
        Gen.Long, Moment, Gen.Enum<ExecutionEventType>(), Info,
        Maybe(Gen.Select(AnyText, Maybe(AnyText), Maybe(AnyText), MaybeValue(Gen.Long), MaybeValue(Gen.Long), (step, item, status, current, total) =>
            new PrepareProgress(step, item, status, current, total))),
        (sequence, timestamp, type, info, progress) =>
            new ExecutionEvent { Sequence = sequence, Timestamp = timestamp, Type = type, Info = info, Progress = progress });

    public static readonly Gen<ExecutorFingerprint> Fingerprint =
        from head in Gen.Select(AnyText, Gen.Bool, Maybe(AnyText))
        from flags in Gen.Bool.Array[11]
        from networks in Gen.Enum<NetworkMode>().List[0, 3]
        from problems in Gen.Select(AnyText, AnyText, (problem, remedy) => new FingerprintProblem(problem, remedy)).List[0, 2]
        from details in Variables
        select new ExecutorFingerprint
        {
            Executor = head.Item1,
            Available = head.Item2,
            Version = head.Item3,
            Problems = problems,
            Details = details,
            Capabilities = new ExecutorCapabilities
            {
                Images = flags[0],
                Pause = flags[1],
                Exec = flags[2],
                Stats = flags[3],
                MemoryLimit = flags[4],
                CpuLimit = flags[5],
                PidsLimit = flags[6],
                DiskLimit = flags[7],
                Gpus = flags[8],
                FileSystemIsolation = flags[9],
                Networks = networks,
                Recovery = flags[10],
                ExactSignals = flags[0],
            },
        };

    public static readonly Gen<ExecutionStats> Stats = Gen.Select(Moment, Time, MaybeValue(Gen.Long).Array[7], (timestamp, cpu, counts) => new ExecutionStats
    {
        Timestamp = timestamp,
        CpuTime = cpu,
        MemoryBytes = counts[0],
        MemoryLimitBytes = counts[1],
        Pids = counts[2],
        NetworkReceivedBytes = counts[3],
        NetworkSentBytes = counts[4],
        DiskReadBytes = counts[5],
        DiskWrittenBytes = counts[6],
    });

    private static Gen<T?> Maybe<T>(Gen<T> some)
        where T : class => Gen.Select(Gen.Bool, some, T? (given, value) => given ? value : null);

    private static Gen<T?> MaybeValue<T>(Gen<T> some)
        where T : struct => Gen.Select(Gen.Bool, some, T? (given, value) => given ? value : null);

    private static Gen<T> Of<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static IReadOnlyDictionary<string, string> Map(List<(string Name, string Value)> entries)
    {
        var map = new Dictionary<string, string>();
        foreach (var (name, value) in entries) map[name] = value;
        return map;
    }
}
