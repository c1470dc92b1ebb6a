using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.MicroVm.Execution;

/// <summary>What a later process must know of an execution, in a file of its own beside the machine's.</summary>
internal sealed record MicroVmRecord
{
    private const string FileName = "execution.json";
    private const string StartedName = "started";

    /// <summary>Whether our agent runs in the guest.</summary>
    public required bool HasAgent { get; init; }

    /// <summary>The number of the signal that asks the job to stop.</summary>
    public required int StopSignal { get; init; }

    public async Task WriteAsync(string directory)
    {
        // Written whole or not at all: a crash may come at any time.
        var temporary = Path.Combine(directory, FileName + ".new");
        await File.WriteAllBytesAsync(temporary, JsonSerializer.SerializeToUtf8Bytes(this, MicroVmJson.Default.MicroVmRecord));
        File.Move(temporary, Path.Combine(directory, FileName), overwrite: true);
    }

    public static MicroVmRecord? Read(string directory)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(directory, FileName)), MicroVmJson.Default.MicroVmRecord);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Notes that the job is about to be started.</summary>
    public static void NoteStarted(string directory) => File.WriteAllBytes(Path.Combine(directory, StartedName), []);

    public static void NoteNotStarted(string directory) => File.Delete(Path.Combine(directory, StartedName));

    public static bool IsStarted(string directory) => File.Exists(Path.Combine(directory, StartedName));
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(MicroVmRecord))]
internal sealed partial class MicroVmJson : JsonSerializerContext;
