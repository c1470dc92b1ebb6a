using System.Text.Json.Serialization;

namespace Ergon.Docker.Api;

/// <summary>How the Engine's requests are written and its answers read.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ContainerConfig))]
[JsonSerializable(typeof(ExecConfig))]
[JsonSerializable(typeof(ExecStart))]
[JsonSerializable(typeof(RegistryAuth))]
[JsonSerializable(typeof(Dictionary<string, string[]>))]
[JsonSerializable(typeof(Created))]
[JsonSerializable(typeof(WaitAnswer))]
[JsonSerializable(typeof(ContainerDescription))]
[JsonSerializable(typeof(IReadOnlyList<ListedContainer>))]
[JsonSerializable(typeof(ImageDescription))]
[JsonSerializable(typeof(ExecDescription))]
[JsonSerializable(typeof(EngineEvent))]
[JsonSerializable(typeof(PullMessage))]
[JsonSerializable(typeof(EngineInfo))]
[JsonSerializable(typeof(StatsSample))]
internal sealed partial class EngineJsonContext : JsonSerializerContext;
