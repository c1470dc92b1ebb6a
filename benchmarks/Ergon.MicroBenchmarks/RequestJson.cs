using System.Text.Json.Nodes;
using BenchmarkDotNet.Attributes;

namespace Ergon.MicroBenchmarks;

/// <summary>A request as JSON, and an id as text.</summary>
public class RequestJson
{
    private readonly ExecutionRequest _request = new()
    {
        JobId = JobId.Parse("benchmark"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = SpecConfig.Create("docker", new JsonObject { ["image"] = "busybox", ["cmd"] = new JsonArray("echo", "hello") }),
        Resources = new Resources { Cpu = 1.5, Memory = 256 << 20 },
        Inputs = [new StorageVolume { Source = "/data", Target = "/in", ReadOnly = true }],
        Environment = new Dictionary<string, string> { ["LANG"] = "C.UTF-8", ["HOME"] = "/root" },
        Timeouts = new Timeouts { Run = TimeSpan.FromMinutes(5) },
    };

    private readonly string _id = ExecutionId.New().Value;
    private byte[] _json = [];

    [GlobalSetup]
    public void SetUp() => _json = ErgonJson.SerializeRequest(_request);

    [Benchmark]
    public byte[] Write() => ErgonJson.SerializeRequest(_request);

    [Benchmark]
    public ExecutionRequest Read() => ErgonJson.ParseRequest(_json);

    [Benchmark]
    public ExecutionId ParseId() => ExecutionId.Parse(_id);
}
