using Ergon.Client.Wire;
using P = Ergon.Protocol.V1;

namespace Ergon.Client;

public sealed partial class RemoteExecutor
{
    /// <inheritdoc/>
    public async Task StartAsync(ExecutionRequest request, CancellationToken cancellationToken = default)
    {
        var wire = NewStart(request, cancellationToken);
        var start = _calls.RunAsync(o => _client.StartAsync(wire, o), new Outage(), timeout: null, repeatable: true, CancellationToken.None);
        await UndoableAsync(start, wire, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<ExecutionResult> RunAsync(ExecutionRequest request, CancellationToken cancellationToken = default)
    {
        var wire = NewStart(request, cancellationToken);
        var started = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var reading = new CancellationTokenSource();
        var result = ReadRunAsync(wire, request.ExecutionId, started, reading.Token);
        try
        {
            await UndoableAsync(started.Task, wire, cancellationToken);
            return await result.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && started.Task.IsCompletedSuccessfully)
        {
            await CancelStartedAsync(request.ExecutionId);
            throw;
        }
        finally
        {
            await reading.CancelAsync();
            await ((Task)result).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // The start has a key: however often it is sent, it happens once.
    private P.StartRequest NewStart(ExecutionRequest request, CancellationToken cancellationToken)
    {
        _calls.ThrowIfClosed();
        cancellationToken.ThrowIfCancellationRequested();
        CheckTexts(request);
        return new P.StartRequest { Request = (request with { RequestKey = request.RequestKey ?? Guid.CreateVersion7().ToString("n") }).ToWire() };
    }

    private async Task<ExecutionResult> ReadRunAsync(P.StartRequest wire, ExecutionId id, TaskCompletionSource<bool> started, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var response in _calls.ReadAsync(o => _client.Run(wire, o), null, cancellationToken))
            {
                started.TrySetResult(true);
                if (response.EventCase == P.RunResponse.EventOneofCase.Result) return response.Result.FromWire();
            }

            return await WaitAsync(id, cancellationToken);
        }
        catch (ExecutorException e) when (!started.TrySetException(e))
        {
            throw;
        }
        catch (OperationCanceledException e)
        {
            started.TrySetException(e);
            throw;
        }
    }

    // The call is not cancelled, since nobody would learn then whether the start was undone: the daemon is asked to undo it.
    private async Task UndoableAsync<T>(Task<T> start, P.StartRequest wire, CancellationToken cancellationToken)
    {
        try
        {
            await start.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            var undo = new P.CancelRequest { ExecutionId = wire.Request.ExecutionId, RequestKey = wire.Request.RequestKey };
            await AskAsync(o => _client.CancelAsync(undo, o), CancellationToken.None);
            try
            {
                await start;
            }
            catch (ExecutorException e) when (e.Code == ErrorCode.Cancelled)
            {
                throw new OperationCanceledException(e.Message, e, cancellationToken);
            }
        }
    }

    private async Task CancelStartedAsync(ExecutionId id)
    {
        try
        {
            await CancelAsync(id, CancellationToken.None);
        }
        catch (ExecutorException e) when (e.Code is ErrorCode.ExecutionAlreadyConcluded or ErrorCode.ExecutionNotFound)
        {
            // It has ended.
        }
    }
}
