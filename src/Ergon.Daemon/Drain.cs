using System.Text.Json;
using System.Text.Json.Serialization;
using Ergon.Storage;

namespace Ergon.Daemon;

/// <summary>Whether new executions are refused, which lasts until it is undone: the next daemon reads it from its directory.</summary>
internal sealed class Drain
{
    private readonly Lock _lock = new();
    private readonly string _path;
    private readonly TimeProvider _time;
    private DrainState? _state;

    private Drain(string path, DrainState? state, TimeProvider time) => (_path, _state, _time) = (path, state, time);

    /// <summary>Since when, and who asked for it; <see langword="null"/>: new executions are taken.</summary>
    public DrainState? State => Volatile.Read(ref _state);

    public static Drain Open(string path, TimeProvider time) => new(path, File.Exists(path) ? Read(path, time) : null, time);

    /// <summary>Begins; nothing changes when it has begun already.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>: new executions are taken as before.</exception>
    public void Begin(string caller) => Change("kept", () =>
    {
        if (_state is not null) return;
        var state = new DrainState(_time.GetUtcNow(), caller);
        AtomicFile.Write(_path, JsonSerializer.SerializeToUtf8Bytes(state, DrainContext.Default.DrainState));
        Volatile.Write(ref _state, state);
    });

    /// <summary>Takes new executions again.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>: they are refused as before.</exception>
    public void Undo() => Change("undone", () =>
    {
        File.Delete(_path);
        Volatile.Write(ref _state, null);
    });

    private void Change(string what, Action change)
    {
        try
        {
            lock (_lock) change();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"The drain could not be {what} in {_path}: {e.Message} Free space in the data directory or repair it.", innerException: e);
        }
    }

    // That the file is there counts: what cannot be read of it must not let executions begin on a node that is to be left.
    private static DrainState Read(string path, TimeProvider time)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), DrainContext.Default.DrainState) ?? new DrainState(time.GetUtcNow(), Unknown);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return new DrainState(time.GetUtcNow(), Unknown);
        }
    }

    private const string Unknown = "unknown";
}

/// <summary>A drain.</summary>
/// <param name="Since">When it began.</param>
/// <param name="By">Who asked for it, as the audit log names callers.</param>
internal sealed record DrainState(DateTimeOffset Since, string By);

/// <summary>A drain, and how far it is.</summary>
/// <param name="State">The drain; <see langword="null"/>: there is none.</param>
/// <param name="Active">How many executions have not ended.</param>
internal sealed record DrainProgress(DrainState? State, int Active);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(DrainState))]
internal sealed partial class DrainContext : JsonSerializerContext;
