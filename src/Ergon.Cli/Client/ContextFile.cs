using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.Cli.Client;

/// <summary>The daemons that this user knows by name: <c>contexts.json</c> in ergon's configuration directory.</summary>
internal sealed record ContextFile
{
    /// <summary>The one in use; <see langword="null"/>: none, jobs run without a daemon.</summary>
    public string? Current { get; init; }

    // What the file leaves out is set to null by the reader.
    public IReadOnlyDictionary<string, DaemonContext> Contexts { get; init => field = value ?? field; } = new Dictionary<string, DaemonContext>();

    [JsonIgnore]
    public static bool Exists => File.Exists(Location);

    private static string Location => System.IO.Path.Combine(
        Environment.GetEnvironmentVariable("ERGON_CONFIG") is { Length: > 0 } given
            ? given
            : System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.DoNotVerify), "ergon"),
        "contexts.json");

    /// <summary>Reads the file; empty when there is none.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: it cannot be read.</exception>
    public static ContextFile Read()
    {
        try
        {
            return File.Exists(Location) ? JsonSerializer.Deserialize(File.ReadAllBytes(Location), ContextFileJson.Default.ContextFile) ?? new ContextFile() : new ContextFile();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new ExecutorException(ErrorCode.InvalidRequest, $"The contexts in {Location} cannot be read: {e.Message}", innerException: e);
        }
    }

    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>: it cannot be written.</exception>
    public void Write()
    {
        try
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Location)!);
            var aside = Location + ".new";
            File.WriteAllBytes(aside, JsonSerializer.SerializeToUtf8Bytes(this, ContextFileJson.Default.ContextFile));
            File.Move(aside, Location, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"The contexts cannot be written to {Location}: {e.Message}", innerException: e);
        }
    }
}

/// <summary>One daemon, and what proves to it who calls. Secrets lie in files of their own.</summary>
internal sealed record DaemonContext
{
    public required string Host { get; init; }

    public string? TokenFile { get; init; }

    public string? Ca { get; init; }

    public string? Certificate { get; init; }

    public string? Key { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(ContextFile))]
internal sealed partial class ContextFileJson : JsonSerializerContext;
