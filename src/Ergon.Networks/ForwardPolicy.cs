using System.Net.NetworkInformation;
using System.Text.Json;

namespace Ergon.Networks;

/// <summary>
/// Firewalls that let nothing be forwarded unless a rule of their own says so. Docker makes iptables' FORWARD chain one of them, and
/// no rule elsewhere can overrule it: two rules at its end, for all guests of the machine, let through what the rules before it have
/// nothing against. They go with the last guest.
/// </summary>
internal sealed class ForwardPolicy(NftCommand nft)
{
    private const string Guests = NetworkRecord.InterfacePrefix + "*";
    private const string Mark = "ergon guests";
    private const string LegacyTables = "/proc/net/ip_tables_names";
    private const string LegacyCommand = "iptables-legacy";

    private static readonly string[] Directions = ["-i", "-o"];

    public async ValueTask LetGuestsThroughAsync(CancellationToken cancellationToken)
    {
        if ((await FindDroppingAsync(cancellationToken)).Any(c => c.IsIptables) && (await FindOwnRulesAsync(cancellationToken)).Count == 0)
        {
            await nft.ApplyAsync(
                $"""
                 add rule ip filter FORWARD iifname "{Guests}" counter accept comment "{Mark}"
                 add rule ip filter FORWARD oifname "{Guests}" counter accept comment "{Mark}"

                 """,
                cancellationToken);
        }

        if (!await LegacyDropsAsync(cancellationToken)) return;
        foreach (var direction in Directions)
            if (!await LegacyAsync("-C", direction, cancellationToken)) await LegacyAsync("-A", direction, cancellationToken);
    }

    /// <summary>Takes the rules away when no guest of any executor is left.</summary>
    public async ValueTask ForgetGuestsAsync(CancellationToken cancellationToken)
    {
        if (Array.Exists(NetworkInterface.GetAllNetworkInterfaces(), i => i.Name.StartsWith(NetworkRecord.InterfacePrefix, StringComparison.Ordinal))) return;
        var handles = (await ListChainsAsync(cancellationToken)).Any(c => c.IsIptables) ? await FindOwnRulesAsync(cancellationToken) : [];
        if (handles.Count > 0) await nft.ApplyAsync(string.Concat(handles.Select(h => $"delete rule ip filter FORWARD handle {h}\n")), cancellationToken);
        if (!HasLegacy()) return;
        foreach (var direction in Directions)
            if (await LegacyAsync("-C", direction, cancellationToken)) await LegacyAsync("-D", direction, cancellationToken);
    }

    /// <summary>What stands in the way and is not ours to change; <see langword="null"/> for nothing.</summary>
    public async ValueTask<FingerprintProblem?> FindObstacleAsync(CancellationToken cancellationToken)
    {
        foreach (var chain in await FindDroppingAsync(cancellationToken))
        {
            // Who has written a rule about our guests knows of them.
            if (chain.IsIptables || (await nft.ListAsync(["chain", .. chain.Path], cancellationToken)).Contains($"\"{Guests}\"", StringComparison.Ordinal)) continue;
            var name = string.Join(' ', chain.Path);
            return new FingerprintProblem(
                $"The firewall's chain '{name}' drops what is forwarded, so that guests on a bridge network reach nothing outside.",
                $"""Let guests through: nft 'add rule {name} iifname "{Guests}" accept; add rule {name} oifname "{Guests}" accept', and in the configuration of the firewall.""");
        }

        if (await LegacyDropsAsync(cancellationToken) && NftCommand.Find(LegacyCommand) is null)
            return new FingerprintProblem("The old iptables drops what is forwarded, so that guests on a bridge network reach nothing outside.", $"Install '{LegacyCommand}' (package 'iptables').");
        return null;
    }

    private async ValueTask<IReadOnlyList<Chain>> FindDroppingAsync(CancellationToken cancellationToken) =>
        [.. (await ListChainsAsync(cancellationToken)).Where(c => c.Drops)];

    private async ValueTask<IReadOnlyList<Chain>> ListChainsAsync(CancellationToken cancellationToken) => [.. Each(
        await nft.ListAsync(["chains"], cancellationToken), "chain",
        c => Text(c, "hook") == "forward" && Text(c, "family") is "ip" or "inet"
            ? new Chain(Text(c, "family")!, Text(c, "table")!, Text(c, "name")!, Text(c, "policy") == "drop") : null)];

    private async ValueTask<IReadOnlyList<long>> FindOwnRulesAsync(CancellationToken cancellationToken) => [.. Each(
        await nft.ListAsync(["chain", "ip", "filter", "FORWARD"], cancellationToken), "rule",
        r => Text(r, "comment") == Mark ? (long?)r.GetProperty("handle").GetInt64() : null).Select(h => h!.Value)];

    private static IEnumerable<T> Each<T>(string json, string kind, Func<JsonElement, T?> choose)
    {
        using var document = JsonDocument.Parse(json);
        foreach (var item in document.RootElement.GetProperty("nftables").EnumerateArray())
            if (item.TryGetProperty(kind, out var element) && choose(element) is { } chosen) yield return chosen;
    }

    private static string? Text(JsonElement element, string property) => element.TryGetProperty(property, out var value) ? value.GetString() : null;

    // The old iptables exists beside nftables, and running its command would make it exist.
    private static bool HasLegacy()
    {
        try
        {
            return File.ReadLines(LegacyTables).Contains("filter");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private async ValueTask<bool> LegacyDropsAsync(CancellationToken cancellationToken)
    {
        if (!HasLegacy() || NftCommand.Find(LegacyCommand) is null) return false;
        var result = await nft.RunAsync(LegacyCommand, ["-w", "-S", "FORWARD"], "", cancellationToken);
        return result.StandardOutput.Contains("-P FORWARD DROP", StringComparison.Ordinal);
    }

    private async ValueTask<bool> LegacyAsync(string action, string direction, CancellationToken cancellationToken)
    {
        string[] rule = [direction, NetworkRecord.InterfacePrefix + "+", "-m", "comment", "--comment", Mark, "-j", "ACCEPT"];
        return NftCommand.Find(LegacyCommand) is not null && (await nft.RunAsync(LegacyCommand, ["-w", action, "FORWARD", .. rule], "", cancellationToken)).IsSuccess;
    }

    private sealed record Chain(string Family, string Table, string Name, bool Drops)
    {
        public bool IsIptables => this is { Family: "ip", Table: "filter", Name: "FORWARD" };

        public string[] Path => [Family, Table, Name];
    }
}
