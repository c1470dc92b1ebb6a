using System.Text.Json;
using Ergon.Engine;

namespace Ergon;

/// <content>What a start is answered with whose execution is known already.</content>
public sealed partial class Executor
{
    /// <summary>The outcome of the earlier start, when this one repeats it.</summary>
    /// <exception cref="ExecutorException">As the earlier start; or it is another one.</exception>
    private async Task<(Execution Execution, Task<ExecutionResult> Result)> JoinAsync(
        Execution? known, ExecutionRequest request, CancellationToken cancellationToken)
    {
        if (known is null || request.RequestKey is null || !AreSame(known.Request, request)) throw AlreadyKnown(known, request);
        await known.StartEnded.WaitAsync(cancellationToken);
        var result = known.Result ?? WaitAsync(known.Id, cancellationToken);

        // Who only starts does not look at it.
        _ = result.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        return (known, result);
    }

    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> when the key is that of another execution.</exception>
    private void ReserveKey(ExecutionRequest request)
    {
        if (request.RequestKey is not { } key) return;
        var owner = _keys.GetOrAdd(key, request.ExecutionId);
        if (owner == request.ExecutionId) return;
        throw new ExecutorException(
            [new RequestProblem("request_key", $"is that of execution '{owner}'. Repeat its start with the same execution_id, or choose another key.")], request.ExecutionId);
    }

    private void ForgetKey(ExecutionRequest request)
    {
        if (request.RequestKey is { } key) _keys.TryRemove(new(key, request.ExecutionId));
    }

    private static ExecutorException AlreadyKnown(Execution? known, ExecutionRequest request)
    {
        var info = known?.Info;
        var same = known is not null && AreSame(known.Request, request) ? "an identical" : "another";
        return info is { IsTerminal: true }
            ? new ExecutorException(ErrorCode.ExecutionAlreadyConcluded, $"Execution '{request.ExecutionId}' has already ended; it was started with {same} request. Use a new execution id.", request.ExecutionId)
            : new ExecutorException(ErrorCode.ExecutionAlreadyStarted, $"Execution '{request.ExecutionId}' is already '{info?.Status ?? ExecutionStatus.Pending}'; it was started with {same} request. Use a new execution id.", request.ExecutionId);
    }

    // Entries that come in another order, such as those of the environment, make no difference.
    private static bool AreSame(ExecutionRequest one, ExecutionRequest other)
    {
        using var first = JsonDocument.Parse(ErgonJson.SerializeRequest(one));
        using var second = JsonDocument.Parse(ErgonJson.SerializeRequest(other));
        return JsonElement.DeepEquals(first.RootElement, second.RootElement);
    }
}
