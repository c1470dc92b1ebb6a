using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ergon.Runc.Bundles;
using Ergon.Runc.Tests;

namespace Ergon.Benchmarks.Runc;

/// <summary>What <c>runc spec</c> makes, with a root file system and the command: as little as a container can be.</summary>
internal sealed class BareBundle
{
    private readonly string _plain;
    private readonly string _filtered;

    private BareBundle(string plain, string filtered, string root) => (_plain, _filtered, Root) = (plain, filtered, root);

    /// <summary>The root file system.</summary>
    public string Root { get; }

    public static BareBundle Make(string directory)
    {
        var root = Directory.CreateDirectory(Path.Combine(directory, "root")).FullName;
        TestImages.ExtractBusybox(root);
        var plain = Directory.CreateDirectory(Path.Combine(directory, "plain")).FullName;
        var filtered = Directory.CreateDirectory(Path.Combine(directory, "filtered")).FullName;
        using (var spec = System.Diagnostics.Process.Start(new ProcessStartInfo("runc", ["spec", "--bundle", plain])))
        {
            spec!.WaitForExit();
            if (spec.ExitCode != 0) throw new InvalidOperationException("runc spec failed.");
        }

        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(plain, "config.json")))!;
        config["process"]!["terminal"] = false;
        config["process"]!["args"] = new JsonArray("echo", "hello");
        config["root"]!["path"] = root;
        File.WriteAllText(Path.Combine(plain, "config.json"), config.ToJsonString());
        config["linux"]!["seccomp"] = JsonNode.Parse(JsonSerializer.Serialize(BundleWriter.Seccomp([]), OciJsonContext.Default.OciSeccomp));
        File.WriteAllText(Path.Combine(filtered, "config.json"), config.ToJsonString());
        return new BareBundle(plain, filtered, root);
    }

    public Task RunAsync(bool withFilter) => ProcessBenchmark.SpawnAsync("runc", "run", "--bundle", withFilter ? _filtered : _plain, $"benchmark-{Guid.NewGuid():n}");
}
