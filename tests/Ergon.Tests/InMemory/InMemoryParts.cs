using System.Collections.Concurrent;

namespace Ergon.Tests.InMemory;

/// <summary>What processes wait at while their container is frozen.</summary>
internal sealed class Freezer
{
    private volatile TaskCompletionSource? _frozen;

    public void Freeze() => _frozen ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Thaw() => Interlocked.Exchange(ref _frozen, null)?.SetResult();

    public ValueTask WaitAsync(CancellationToken cancellationToken) =>
        _frozen is { } frozen ? new ValueTask(frozen.Task.WaitAsync(cancellationToken)) : ValueTask.CompletedTask;
}

/// <summary>A piece of output that nobody has taken yet.</summary>
internal sealed record OutputChunk(OutputStream Stream, long Position, ReadOnlyMemory<byte> Data);

/// <summary>The output of a container, in the order in which it was written. A writer waits when too much lies here, as at a pipe.</summary>
internal sealed class InMemoryOutput
{
    private const int MaxChunks = 64;

    private readonly Lock _lock = new();
    private readonly Queue<OutputChunk> _chunks = new();
    private readonly SemaphoreSlim _room = new(MaxChunks);
    private readonly long[] _written = new long[3];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _completed;

    public async ValueTask WriteAsync(OutputStream stream, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken);
        lock (_lock)
        {
            _chunks.Enqueue(new OutputChunk(stream, _written[(int)stream], data.ToArray()));
            _written[(int)stream] += data.Length;
        }

        Changed();
    }

    public void Complete()
    {
        lock (_lock) _completed = true;
        Changed();
    }

    /// <summary>Returns the first chunk, once there is one, without taking it; <see langword="null"/> at the end.</summary>
    public async Task<OutputChunk?> WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_chunks.TryPeek(out var chunk)) return chunk;
                if (_completed) return null;
                changed = _changed.Task;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Takes the first chunk away.</summary>
    public void Advance()
    {
        lock (_lock) _chunks.Dequeue();
        _room.Release();
    }

    private void Changed()
    {
        TaskCompletionSource changed;
        lock (_lock) (changed, _changed) = (_changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        changed.SetResult();
    }
}

/// <summary>The files of a container: its own, the inputs, and the outputs.</summary>
internal sealed class InMemoryFiles(ExecutionRequest request)
{
    private readonly ConcurrentDictionary<string, byte[]> _own = new();

    public byte[]? Read(string path)
    {
        if (Locate(path) is not { } location) return _own.GetValueOrDefault(path);
        return File.Exists(location.HostPath) ? File.ReadAllBytes(location.HostPath) : null;
    }

    public bool TryWrite(string path, byte[] bytes)
    {
        if (Locate(path) is not { } location)
        {
            _own[path] = bytes;
            return true;
        }

        if (location.ReadOnly) return false;
        File.WriteAllBytes(location.HostPath, bytes);
        return true;
    }

    private (string HostPath, bool ReadOnly)? Locate(string path)
    {
        foreach (var input in request.Inputs)
            if (Below(input.Target, path) is { } rest) return (input.Source + rest, input.ReadOnly);
        foreach (var output in request.Outputs)
            if (Below(output.Target, path) is { } rest) return (Path.Combine(request.ResultsDir!, output.Source) + rest, false);
        return null;
    }

    private static string? Below(string target, string path) =>
        path.StartsWith(target, StringComparison.Ordinal) && (path.Length == target.Length || path[target.Length] == '/') ? path[target.Length..] : null;
}
