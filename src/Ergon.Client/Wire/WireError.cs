using System.Text;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using P = Ergon.Protocol.V1;
using RpcStatus = Google.Rpc.Status;

namespace Ergon.Client.Wire;

/// <summary>Errors, to the wire and from it.</summary>
internal static class WireError
{
    // Headers hold the message and the details; what is longer is said in the details alone, and what is longer still is cut.
    private const int MaxStatusText = 1024;
    private const int MaxProblems = 40;
    private const int MaxField = 200;
    private const int MaxProblem = 400;
    private const int MaxMessage = 8 * 1024;

    /// <summary>The error as the end of a call.</summary>
    public static RpcException ToRpcException(this ExecutorException error)
    {
        var status = new RpcStatus { Code = (int)StatusOf(error.Code), Message = Clip(error.Message, MaxStatusText) };
        status.Details.Add(Any.Pack(error.ToWire()));
        return status.ToRpcException();
    }

    public static P.ErrorInfo ToWire(this ExecutorException error)
    {
        var wire = new P.ErrorInfo { Code = (P.ErrorCode)error.Code, Message = Clip(error.Message, MaxMessage), ExecutionId = error.ExecutionId?.Value ?? "" };
        foreach (var problem in error.Problems.Take(MaxProblems))
            wire.Problems.Add(new P.RequestProblem { Field = Clip(problem.Field, MaxField), Message = Clip(problem.Message, MaxProblem), Kind = (P.RequestProblemKind)(problem.Kind + 1) });
        return wire;
    }

    /// <summary>The error that the daemon meant; <see langword="null"/> when the call failed for another reason, such as a broken connection.</summary>
    public static ExecutorException? ToExecutorException(this RpcException error)
    {
        var info = error.GetRpcStatus()?.GetDetail<P.ErrorInfo>();
        return info is null ? null : info.FromWire(error);
    }

    public static ExecutorException FromWire(this P.ErrorInfo info, Exception? cause = null)
    {
        ExecutionId? id = ExecutionId.TryParse(info.ExecutionId, out var parsed) ? parsed : null;
        return info.Problems.Count == 0
            ? new ExecutorException((ErrorCode)info.Code, info.Message, id, cause)
            : new ExecutorException([.. info.Problems.Select(p => new RequestProblem(p.Field, p.Message, (RequestProblemKind)Math.Max(0, (int)p.Kind - 1)))], id);
    }

    /// <summary>The gRPC status that generic tools understand best.</summary>
    public static StatusCode StatusOf(ErrorCode code) => code switch
    {
        ErrorCode.InvalidRequest => StatusCode.InvalidArgument,
        ErrorCode.ExecutionNotFound => StatusCode.NotFound,
        ErrorCode.ExecutionAlreadyStarted => StatusCode.AlreadyExists,
        ErrorCode.ExecutionAlreadyConcluded or ErrorCode.InvalidState => StatusCode.FailedPrecondition,
        ErrorCode.NotSupported => StatusCode.Unimplemented,
        ErrorCode.ResourcesUnavailable or ErrorCode.WatcherTooSlow => StatusCode.ResourceExhausted,
        ErrorCode.ImageUnavailable => StatusCode.NotFound,
        ErrorCode.BackendUnavailable or ErrorCode.ExecutorClosed => StatusCode.Unavailable,
        ErrorCode.PrepareTimedOut or ErrorCode.WaitTimedOut => StatusCode.DeadlineExceeded,
        ErrorCode.Cancelled => StatusCode.Cancelled,
        _ => StatusCode.Internal,
    };

    // A text of the caller's own may hold half of a character, which the wire cannot.
    private static string Clip(string text, int length)
    {
        var clipped = text.Length <= length ? text : string.Concat(text.AsSpan(0, length - 3), "...");
        return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(clipped));
    }
}
