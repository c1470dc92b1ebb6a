using System.Runtime.Versioning;
using System.Text.Json.Serialization;
using Ergon.Linux;

namespace Ergon.Runc.Bundles;

// The parts of a bundle's config.json that are used here (https://github.com/opencontainers/runtime-spec/blob/main/config.md).

internal sealed record OciConfig
{
    public string OciVersion { get; init; } = "1.0.2";

    public required OciProcess Process { get; init; }

    public required OciRoot Root { get; init; }

    public string? Hostname { get; init; }

    public required IReadOnlyList<OciMount> Mounts { get; init; }

    public required OciLinux Linux { get; init; }
}

internal sealed record OciProcess
{
    public required OciUser User { get; init; }

    public required IReadOnlyList<string> Args { get; init; }

    public required IReadOnlyList<string> Env { get; init; }

    public required string Cwd { get; init; }

    public required OciCapabilities Capabilities { get; init; }

    public bool NoNewPrivileges { get; init; } = true;

    /// <summary>How much likelier than others it is killed when the host runs out of memory.</summary>
    public int OomScoreAdj { get; init; }

    [JsonIgnore]
    [SupportedOSPlatform("linux")]
    public UserIdentity Identity => new(User.Uid, User.Gid, User.AdditionalGids);

    [JsonIgnore]
    public IReadOnlyDictionary<string, string> Variables => Env.Select(v => v.Split('=', 2)).ToDictionary(v => v[0], v => v[^1]);
}

internal sealed record OciUser(uint Uid, uint Gid, IReadOnlyList<uint> AdditionalGids);

internal sealed record OciCapabilities(IReadOnlyList<string> Bounding, IReadOnlyList<string> Effective, IReadOnlyList<string> Permitted);

internal sealed record OciRoot(string Path, bool Readonly);

internal sealed record OciMount(string Destination, string Type, string Source, IReadOnlyList<string> Options);

internal sealed record OciLinux
{
    public required OciResources Resources { get; init; }

    public required string CgroupsPath { get; init; }

    public required IReadOnlyList<OciNamespace> Namespaces { get; init; }

    public IReadOnlyDictionary<string, string>? Sysctl { get; init; }

    public OciSeccomp? Seccomp { get; init; }

    public IReadOnlyList<string> MaskedPaths { get; init; } = [];

    public IReadOnlyList<string> ReadonlyPaths { get; init; } = [];
}

internal sealed record OciResources(IReadOnlyList<OciDeviceRule> Devices);

internal sealed record OciDeviceRule(bool Allow, string Access);

internal sealed record OciNamespace(string Type, string? Path = null);

internal sealed record OciSeccomp
{
    public string DefaultAction { get; init; } = "SCMP_ACT_ERRNO";

    public uint DefaultErrnoRet { get; init; } = Containers.SeccompProfile.DefaultErrno;

    public IReadOnlyList<string> Architectures { get; init; } = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];

    public required IReadOnlyList<OciSyscalls> Syscalls { get; init; }
}

internal sealed record OciSyscalls(IReadOnlyList<string> Names, string Action, uint? ErrnoRet, IReadOnlyList<OciArgument>? Args);

internal sealed record OciArgument(uint Index, ulong Value, ulong ValueTwo, string Op);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(OciConfig))]
[JsonSerializable(typeof(OciProcess))]
[JsonSerializable(typeof(OciSeccomp))]
internal sealed partial class OciJsonContext : JsonSerializerContext;
