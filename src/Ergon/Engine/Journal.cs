using Ergon.Storage;

namespace Ergon.Engine;

/// <summary>
/// Makes changes durable before anyone is told of them, and then tells of them in the order in which they were stored. Without a store
/// changes are told at once.
/// </summary>
internal sealed class Journal(EventHub events, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Queue<Entry> _open = new();
    private IExecutionStore? _store;
    private string _executorId = "";
    private long _sequence;

    /// <summary>Whether changes are stored, because a later process may take the executions over.</summary>
    public bool IsDurable => _store is not null;

    /// <summary>Whether events can be read again.</summary>
    public bool KeepsEvents => _store is { KeepsEvents: true };

    private IExecutionStore Store => _store ?? throw new InvalidOperationException("The journal has no store.");

    /// <summary>Begins to write for an executor, whose events are numbered on from where a former process ended.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public async Task OpenAsync(IExecutionStore store, string executorId, CancellationToken cancellationToken)
    {
        _sequence = await store.GetLastSequenceAsync(executorId, cancellationToken);
        events.ContinueAfter(_sequence);
        (_store, _executorId) = (store, executorId);
    }

    public ValueTask<StoredExecutions> LoadAsync(CancellationToken cancellationToken) => Store.LoadAsync(_executorId, cancellationToken);

    public ValueTask<ExecutionResult> LoadResultAsync(ExecutionId id, CancellationToken cancellationToken) =>
        Store.LoadResultAsync(_executorId, id, cancellationToken);

    public ValueTask<IReadOnlyList<ExecutionEvent>> ReadEventsAsync(long after, CancellationToken cancellationToken) =>
        Store.ReadEventsAsync(_executorId, after, cancellationToken);

    /// <summary>Stores a change of which nobody is told.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public ValueTask RecordAsync(ExecutionChange change) => _store is null ? ValueTask.CompletedTask : Store.AppendAsync(_executorId, change);

    /// <summary>Stores a change, then makes it visible and gives its event to the watchers.</summary>
    /// <param name="change">The change, without its event.</param>
    /// <param name="type">What the event tells.</param>
    /// <param name="apply">Makes the change visible; <see langword="false"/> when there is nothing to tell.</param>
    /// <param name="tellAnyway">Whether it is made visible and told also when it could not be stored.</param>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public ValueTask RecordAsync(ExecutionChange change, ExecutionEventType type, Func<bool> apply, bool tellAnyway = false)
    {
        if (KeepsEvents) return RecordInOrderAsync(change, type, apply, tellAnyway);
        if (_store is not null) return RecordThenTellAsync(change, type, apply, tellAnyway);
        if (apply()) events.Publish(type, change.Info);
        return ValueTask.CompletedTask;
    }

    private async ValueTask RecordThenTellAsync(ExecutionChange change, ExecutionEventType type, Func<bool> apply, bool tellAnyway)
    {
        var stored = false;
        try
        {
            await Store.AppendAsync(_executorId, change);
            stored = true;
        }
        finally
        {
            if ((stored || tellAnyway) && apply()) events.Publish(type, change.Info);
        }
    }

    private async ValueTask RecordInOrderAsync(ExecutionChange change, ExecutionEventType type, Func<bool> apply, bool tellAnyway)
    {
        var (entry, appended) = Append(change, type);
        var (stored, told) = (false, false);
        try
        {
            await appended;
            stored = true;
        }
        finally
        {
            // Whatever happens, those that come after it must be told.
            try
            {
                told = (stored || tellAnyway) && apply();
            }
            finally
            {
                Settle(entry, told);
            }
        }
    }

    // What is numbered first is stored first.
    private (Entry Entry, Task Appended) Append(ExecutionChange change, ExecutionEventType type)
    {
        lock (_lock)
        {
            var e = new ExecutionEvent { Sequence = ++_sequence, Timestamp = time.GetUtcNow(), Type = type, Info = change.Info };
            var entry = new Entry(e);
            _open.Enqueue(entry);
            return (entry, Store.AppendAsync(_executorId, change with { Event = e }).AsTask());
        }
    }

    // What is stored in one batch is done at one time, and told in its order.
    private void Settle(Entry entry, bool told)
    {
        lock (_lock)
        {
            (entry.Settled, entry.Told) = (true, told);
            while (_open.TryPeek(out var first) && first.Settled)
            {
                _open.Dequeue();
                if (first.Told) events.Publish(first.Event);
            }
        }
    }

    private sealed class Entry(ExecutionEvent e)
    {
        public ExecutionEvent Event => e;

        public bool Settled { get; set; }

        public bool Told { get; set; }
    }
}
