using System.Runtime.CompilerServices;
using Ergon.Client.Wire;
using Grpc.Core;
using P = Ergon.Protocol.V1;

namespace Ergon.Client;

public sealed partial class RemoteExecutor
{
    /// <inheritdoc/>
    public IAsyncEnumerable<LogEntry> GetLogStreamAsync(LogStreamRequest request, CancellationToken cancellationToken = default)
    {
        // 'From now' means from this call, and not from when somebody begins to read.
        var wire = request.ToWire();
        var opened = request.Tail ? _calls.Subscribe(o => _client.GetLogStream(wire, o), cancellationToken) : null;
        return ReadLogAsync(wire, opened, cancellationToken);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ExecutionStats> GetStatsAsync(
        ExecutionId executionId, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var request = new P.GetStatsRequest { ExecutionId = executionId.Value };
        var seen = false;
        var samples = _calls.ReadAsync(o => _client.GetStats(request, o), null, cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using (samples)
        {
            while (true)
            {
                try
                {
                    if (!await NextAsync(samples, cancellationToken)) yield break;
                }
                catch (ExecutorException e) when (seen && e.Code is ErrorCode.ExecutionAlreadyConcluded or ErrorCode.ExecutionNotFound)
                {
                    // It ended while the daemon was away.
                    if (!seen) throw;
                    yield break;
                }

                seen = true;
                yield return samples.Current.Stats.FromWire();
            }
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The stream goes on after a restart of the daemon, with none missing or twice. <see cref="WatchRequest.After"/> needs one executor
    /// (<see cref="RemoteExecutorOptions.Executor"/>), since each numbers its own events.
    /// </remarks>
    public IAsyncEnumerable<ExecutionEvent> WatchAsync(WatchRequest? request = null, CancellationToken cancellationToken = default)
    {
        request ??= new WatchRequest();
        var wire = request.ToWire();
        if (_options.Executor is { } executor) wire.Executor = executor;
        var opened = _calls.Subscribe(o => _client.Watch(wire, o), cancellationToken);
        return ReadEventsAsync(request, wire, opened, cancellationToken);
    }

    private async IAsyncEnumerable<LogEntry> ReadLogAsync(
        P.LogStreamRequest wire, AsyncServerStreamingCall<P.LogStreamResponse>? opened, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var messages = _calls.ReadAsync(o => _client.GetLogStream(wire, o), opened, cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using (messages)
        {
            while (await NextAsync(messages, cancellationToken))
            {
                // An outage continues here. Set before the entry is handed out: the reader has it then, whatever happens.
                wire.Cursor = messages.Current.Next;
                if (messages.Current.Data.Length > 0) yield return messages.Current.FromWire();
            }
        }
    }

    private async IAsyncEnumerable<ExecutionEvent> ReadEventsAsync(
        WatchRequest request, P.WatchRequest wire, AsyncServerStreamingCall<P.WatchResponse> opened, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var sequence = 0L;
        var messages = _calls.ReadAsync(o => _client.Watch(wire, o), opened, cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using (messages)
        {
            while (await NextAsync(messages, cancellationToken))
            {
                var message = messages.Current;
                wire.Cursor = message.Cursor;
                wire.ClearAfter();
                if (message.Event is { } e)
                {
                    sequence = e.Sequence;
                    yield return e.FromWire();
                }
                else if (message.Gap && request.ExecutionId is { } id)
                {
                    // What happened meanwhile is no longer kept, but how it ended is.
                    if (await FindAsync(id, cancellationToken) is not { } info) yield break;
                    if (!info.IsTerminal) continue;
                    yield return new ExecutionEvent { Sequence = sequence + 1, Timestamp = info.FinishedAt ?? info.CreatedAt, Type = ExecutionEventType.Concluded, Info = info };
                    yield break;
                }
            }
        }
    }

    private async Task<ExecutionInfo?> FindAsync(ExecutionId id, CancellationToken cancellationToken)
    {
        try
        {
            return await GetStatusAsync(id, cancellationToken);
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.ExecutionNotFound)
        {
            return null;
        }
    }

    // The library reports a cancelled read as the failure of the call.
    private static async ValueTask<bool> NextAsync<T>(IAsyncEnumerator<T> messages, CancellationToken cancellationToken)
    {
        try
        {
            return await messages.MoveNextAsync();
        }
        catch (RpcException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, cancellationToken);
        }
    }
}
