using System.Runtime.Versioning;
using System.Text.Json;
using Ergon.Runc.Bundles;

namespace Ergon.Runc.Containers;

/// <summary>Command lines of runc, and what it logs when it fails.</summary>
/// <param name="program">Its path.</param>
/// <param name="paths">Where the container's files are.</param>
[SupportedOSPlatform("linux")]
internal sealed class RuncCommand(string program, BundlePaths paths)
{
    // The state directory is one container's alone.
    private const string ContainerId = "job";

    /// <summary>Creates and starts the container, and ends when it runs.</summary>
    public IReadOnlyList<string> Run => [.. Beginning(paths.Log), "run", "--detach", "--preserve-fds", "1", "--bundle", paths.Bundle, ContainerId];

    /// <summary>Starts a further process, and ends when that runs.</summary>
    public IReadOnlyList<string> Exec(string processFile, string log) => [.. Beginning(log), "exec", "--detach", "--process", processFile, ContainerId];

    /// <summary>The errors that it logged, the last one last; empty when there are none.</summary>
    public static IReadOnlyList<string> ReadErrors(string log)
    {
        if (!File.Exists(log)) return [];
        var errors = new List<string>();
        foreach (var line in File.ReadLines(log))
        {
            try
            {
                using var entry = JsonDocument.Parse(line);
                if (Text(entry, "level") is "error" or "fatal" && Text(entry, "msg") is { } message) errors.Add(message);
            }
            catch (JsonException)
            {
                errors.Add(line);
            }
        }

        return errors;
    }

    private static string? Text(JsonDocument entry, string property) =>
        entry.RootElement.ValueKind == JsonValueKind.Object && entry.RootElement.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private string[] Beginning(string log) => [program, "--root", paths.State, "--log", log, "--log-format", "json"];
}
