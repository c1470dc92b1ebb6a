using Ergon.Client.Wire;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon.Rpc;

/// <summary>Ends failed calls with what the contract says about the failure.</summary>
internal sealed class CallErrors(Operations operations, ILogger<CallErrors> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(request, context);
        }
        catch (Exception e)
        {
            throw Translate(e, context);
        }
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(request, responseStream, context);
        }
        catch (Exception e)
        {
            throw Translate(e, context);
        }
    }

    public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(requestStream, responseStream, context);
        }
        catch (Exception e)
        {
            throw Translate(e, context);
        }
    }

    private RpcException Translate(Exception error, ServerCallContext context)
    {
        if (error is RpcException rpc) return rpc;
        if (context.CancellationToken.IsCancellationRequested) return new RpcException(new Status(StatusCode.Cancelled, "The call was cancelled."));
        if (operations.Stopping.IsCancellationRequested && error is OperationCanceledException or ObjectDisposedException)
            return new ExecutorException(ErrorCode.ExecutorClosed, "The daemon is being stopped. Ask the next one.").ToRpcException();
        if (error is ExecutorException known) return known.ToRpcException();
        if (error is InvalidProtocolBufferException) return new ExecutorException([new RequestProblem("message", $"cannot be read: {error.Message}")], null).ToRpcException();
        DaemonLog.CallFailed(logger, context.Method, error);
        return new ExecutorException(ErrorCode.BackendFailed, $"The daemon failed: {error.Message} Its log says more.").ToRpcException();
    }
}
