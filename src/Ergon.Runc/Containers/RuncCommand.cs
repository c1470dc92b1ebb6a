using System.Runtime.Versioning;
using System.Text.Json;
using Ergon.Runc.Bundles;

namespace Ergon.Runc.Containers;

/// <summary>Command lines of runc, and what it logs when it fails.</summary>
/// <param name="program">Its path.</param>
/// <param name="path">The path that it is started by, which may be another.</param>
/// <param name="paths">Where the container's files are.</param>
[SupportedOSPlatform("linux")]
internal sealed class RuncCommand(string program, string path, BundlePaths paths)
{
    // The state directory is one container's alone.
    private const string ContainerId = "job";

    // More than it ever says; what it says may quote an image or a request.
    private const int MaxLogBytes = 64 * 1024;

    /// <summary>The path that it is started by.</summary>
    public string Path => path;

    /// <summary>What it is called in messages.</summary>
    public string Name => System.IO.Path.GetFileName(program);

    /// <summary>Creates and starts the container, and ends when it runs.</summary>
    /// <param name="given">How many descriptors from 3 on the first process gets.</param>
    public IReadOnlyList<string> Run(int given) => [program, .. Options(paths.Log), "run", "--detach", "--preserve-fds", $"{given}", "--bundle", paths.Bundle, ContainerId];

    /// <summary>Starts a further process, and ends when that runs.</summary>
    /// <param name="processFile">The file that describes it.</param>
    /// <param name="log">Where to log.</param>
    /// <param name="given">How many descriptors from 3 on the process gets.</param>
    public IReadOnlyList<string> Exec(string processFile, string log, int given) =>
        [path, .. Options(log), "exec", "--detach", "--preserve-fds", $"{given}", "--process", processFile, ContainerId];

    /// <summary>The errors that it logged, the last one last; empty when there are none.</summary>
    public static IReadOnlyList<string> ReadErrors(string log)
    {
        var errors = new List<string>();
        foreach (var line in ReadBeginning(log).Split('\n', StringSplitOptions.RemoveEmptyEntries))
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

    private static string ReadBeginning(string log)
    {
        try
        {
            using var file = File.OpenHandle(log);
            var buffer = new byte[Math.Min(MaxLogBytes, RandomAccess.GetLength(file))];
            return System.Text.Encoding.UTF8.GetString(buffer, 0, RandomAccess.Read(file, buffer, 0));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ""; // it had nothing to say, or that has gone with the keeper
        }
    }

    private static string? Text(JsonDocument entry, string property) =>
        entry.RootElement.ValueKind == JsonValueKind.Object && entry.RootElement.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private string[] Options(string log) => ["--root", paths.State, "--log", log, "--log-format", "json"];
}
