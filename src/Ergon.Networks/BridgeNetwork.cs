using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace Ergon.Networks;

/// <summary>The network of one guest, a VM or a container: what it and whoever connects it have to know.</summary>
internal sealed record BridgeNetwork
{
    /// <summary>The host's end.</summary>
    public required string InterfaceName { get; init; }

    /// <summary>The guest's own address. Nothing that it sends from another one goes any further.</summary>
    public required string GuestAddress { get; init; }

    public required int PrefixLength { get; init; }

    /// <summary>The address of the host's end: the guest's default route, and where it reaches the host.</summary>
    public required string Gateway { get; init; }

    /// <summary>The guest's own hardware address. Nothing that it sends from another one goes any further.</summary>
    public required string GuestMac { get; init; }

    /// <summary>The largest packet that the way to the outside takes whole.</summary>
    public required int Mtu { get; init; }

    public required IReadOnlyList<string> NameServers { get; init; }

    /// <summary>The host ports that lead to the guest, with addresses and numbers filled in.</summary>
    public required IReadOnlyList<PortMapping> Ports { get; init; }
}

/// <summary>A network as it is noted for whoever comes after this process.</summary>
internal sealed record NetworkRecord
{
    private const string NameAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

    /// <summary>What the name of the host's end of every network begins with, whichever executor made it.</summary>
    public const string InterfacePrefix = "ergon-";

    public required string ExecutorId { get; init; }

    public required string ExecutionId { get; init; }

    public required BridgeNetwork Network { get; init; }

    [JsonIgnore]
    public AddressRange Range => AddressRange.Parse($"{Network.Gateway}/{Network.PrefixLength}");

    [JsonIgnore]
    public IPAddress GuestAddress => IPAddress.Parse(Network.GuestAddress);

    /// <summary>The name of the host's end: short enough for the kernel, and nobody else's.</summary>
    public static string InterfaceOf(string executorId, ExecutionId executionId)
    {
        const int Letters = 9;
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{executorId}/{executionId}"));
        return string.Create(InterfacePrefix.Length + Letters, hash, static (name, hash) =>
        {
            InterfacePrefix.CopyTo(name);
            for (var i = 0; i < Letters; i++) name[InterfacePrefix.Length + i] = NameAlphabet[hash[i] & 31];
        });
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true)]
[JsonSerializable(typeof(NetworkRecord))]
internal sealed partial class NetworkJsonContext : JsonSerializerContext;
