using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace Ergon.MicroVm.Network;

/// <summary>The network of one VM: what its VMM and its guest have to know.</summary>
internal sealed record VmNetwork
{
    /// <summary>The tap that the VMM attaches to. It exists already; a VMM that finds none must not make one.</summary>
    public required string TapName { get; init; }

    /// <summary>The guest's own address. Nothing that it sends from another one leaves the tap.</summary>
    public required string GuestAddress { get; init; }

    public required int PrefixLength { get; init; }

    /// <summary>The host's end of the tap: the guest's default route, and where it reaches the host.</summary>
    public required string Gateway { get; init; }

    /// <summary>The guest's own hardware address. Nothing that it sends from another one leaves the tap.</summary>
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

    /// <summary>What the name of every tap begins with, whichever executor made it.</summary>
    public const string TapPrefix = "ergon-";

    public required string ExecutorId { get; init; }

    public required string ExecutionId { get; init; }

    /// <summary>The user whose processes may attach to the tap.</summary>
    public required uint Owner { get; init; }

    public required VmNetwork Network { get; init; }

    [JsonIgnore]
    public AddressRange Range => AddressRange.Parse($"{Network.Gateway}/{Network.PrefixLength}");

    [JsonIgnore]
    public IPAddress GuestAddress => IPAddress.Parse(Network.GuestAddress);

    /// <summary>The tap's name: short enough for the kernel, and nobody else's.</summary>
    public static string TapName(string executorId, ExecutionId executionId)
    {
        const int Letters = 9;
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{executorId}/{executionId}"));
        return string.Create(TapPrefix.Length + Letters, hash, static (name, hash) =>
        {
            TapPrefix.CopyTo(name);
            for (var i = 0; i < Letters; i++) name[TapPrefix.Length + i] = NameAlphabet[hash[i] & 31];
        });
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true)]
[JsonSerializable(typeof(NetworkRecord))]
internal sealed partial class NetworkJsonContext : JsonSerializerContext;
