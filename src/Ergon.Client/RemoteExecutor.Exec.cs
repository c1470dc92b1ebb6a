using Ergon.Client.Wire;
using Grpc.Core;
using P = Ergon.Protocol.V1;

namespace Ergon.Client;

public sealed partial class RemoteExecutor
{
    /// <inheritdoc/>
    public async Task<IExecSession> ExecAsync(ExecutionId executionId, ExecRequest request, CancellationToken cancellationToken = default)
    {
        _calls.ThrowIfClosed();
        CheckExecTexts(executionId, request);
        await _calls.AwaitSubscriptionsAsync(cancellationToken);
        var ending = new CancellationTokenSource();
        var call = _client.Exec(new CallOptions(cancellationToken: ending.Token));
        try
        {
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            linked.CancelAfter(_options.CallTimeout);
            await call.RequestStream.WriteAsync(new P.ExecInput { Start = request.ToWire(executionId) }, linked.Token);
            if (!await call.ResponseStream.MoveNext(linked.Token) || call.ResponseStream.Current.OutputCase != P.ExecOutput.OutputOneofCase.Started)
                throw new ExecutorException(ErrorCode.BackendFailed, $"The daemon at {_options.Address} did not say that the command was started.", executionId);
            return new RemoteExecSession(call, ending, _calls);
        }
        catch (Exception e)
        {
            var error = ExecError(call, e, executionId, cancellationToken);
            await ending.CancelAsync();
            call.Dispose();
            ending.Dispose();
            throw error;
        }
    }

    private Exception ExecError(AsyncDuplexStreamingCall<P.ExecInput, P.ExecOutput> call, Exception failure, ExecutionId id, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) return new OperationCanceledException(failure.Message, failure, cancellationToken);
        if (failure is ExecutorException) return failure;
        if (failure is RpcException rpc) return _calls.Failed(rpc);

        // A write fails without a reason once the call has ended; the call's end has it.
        if (failure is InvalidOperationException && call.GetStatus() is var status) return _calls.Failed(new RpcException(status, call.GetTrailers()));
        return new ExecutorException(ErrorCode.BackendUnavailable, $"The daemon at {_options.Address} did not start the command within {Duration.Format(_options.CallTimeout)}.", id, failure);
    }

    private static void CheckExecTexts(ExecutionId id, ExecRequest request)
    {
        string[] texts = [.. request.Command, .. request.Environment.Keys, .. request.Environment.Values, request.WorkingDirectory ?? ""];
        if (texts.Any(HasHalfCharacter))
            throw new ExecutorException([new RequestProblem("command", "contains half of a surrogate pair, which is no character.")], id);
    }

    private static bool HasHalfCharacter(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (!char.IsHighSurrogate(text[i]) || i + 1 == text.Length || !char.IsLowSurrogate(text[i + 1])) return true;
            i++;
        }

        return false;
    }
}
