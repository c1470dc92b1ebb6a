using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Ergon.Daemon.Settings;

/// <summary>Which settings differ, by their names.</summary>
internal static class SettingsDifference
{
    private static readonly string[] Fixed = ["socket", "data", "executors", "executor_ids", "on_shutdown", "database", "docker", "qemu", "firecracker", "network.address"];

    public static SettingsChange Between(ActiveSettings old, ActiveSettings next)
    {
        var names = new List<string>();
        Compare(ToJson(old), ToJson(next), "", names);
        if (old.Options.Network is not null && next.Options.Network is not null) CompareFiles(old, next, names);
        var needRestart = names.Where(n => n == "network" || Fixed.Any(f => n == f || n.StartsWith(f + '.', StringComparison.Ordinal))).ToList();
        return new SettingsChange([.. names.Except(needRestart)], needRestart);
    }

    private static JsonNode? ToJson(ActiveSettings settings) => JsonNode.Parse(DaemonFile.Of(settings.Options).Serialize());

    private static void Compare(JsonNode? old, JsonNode? next, string path, List<string> names)
    {
        if (old is JsonObject before && next is JsonObject after)
        {
            foreach (var name in before.Select(m => m.Key).Union(after.Select(m => m.Key)))
                Compare(before[name], after[name], path.Length == 0 ? name : $"{path}.{name}", names);
        }
        else if (!JsonNode.DeepEquals(old, next))
        {
            names.Add(path);
        }
    }

    // A file may have other content under the same name.
    private static void CompareFiles(ActiveSettings old, ActiveSettings next, List<string> names)
    {
        if (old.Certificates?.Thumbprint != next.Certificates?.Thumbprint && !names.Contains("network.certificate")) names.Add("network.certificate");
        if (!Thumbprints(old).SequenceEqual(Thumbprints(next)) && !names.Contains("network.client_authorities")) names.Add("network.client_authorities");
    }

    private static IEnumerable<string> Thumbprints(ActiveSettings settings) => (settings.Callers?.Authorities ?? []).Select((X509Certificate2 c) => c.Thumbprint).Order(StringComparer.Ordinal);
}
