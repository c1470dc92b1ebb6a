using Ergon.Client.Wire;
using Ergon.Daemon.Executors;
using Grpc.Core;
using P = Ergon.Protocol.V1;

namespace Ergon.Daemon.Rpc;

internal sealed partial class ExecutorRpc
{
    public override async Task Run(P.StartRequest request, IServerStreamWriter<P.RunResponse> responses, ServerCallContext context)
    {
        using var ending = LinkToStop(context);
        var started = await operations.StartAsync(CallerOf(context), Read(request), request.RequestKey, context.CancellationToken);
        await responses.WriteAsync(new P.RunResponse { Started = started.Info.ToWire() }, context.CancellationToken);
        var result = await started.Result.WaitAsync(ending.Token);
        await responses.WriteAsync(new P.RunResponse { Result = result.ToWire() }, context.CancellationToken);
    }

    public override async Task GetLogStream(P.LogStreamRequest request, IServerStreamWriter<P.LogStreamResponse> responses, ServerCallContext context)
    {
        using var ending = LinkToStop(context);
        Id(request.ExecutionId);
        var read = request.FromWire();
        var (log, cursor) = await operations.OpenLogAsync(read, ending.Token);
        await responses.WriteAsync(new P.LogStreamResponse { Next = cursor.ToWire() }, ending.Token);
        await foreach (var entry in log.ReadAsync(read.Follow, ending.Token))
        {
            cursor = cursor.After(entry);
            await responses.WriteAsync(entry.ToWire(cursor), ending.Token);
        }
    }

    public override async Task GetStats(P.GetStatsRequest request, IServerStreamWriter<P.GetStatsResponse> responses, ServerCallContext context)
    {
        using var ending = LinkToStop(context);
        await foreach (var sample in await operations.OpenStatsAsync(Id(request.ExecutionId), ending.Token))
            await responses.WriteAsync(new P.GetStatsResponse { Stats = sample.ToWire() }, ending.Token);
    }

    public override async Task Watch(P.WatchRequest request, IServerStreamWriter<P.WatchResponse> responses, ServerCallContext context)
    {
        using var ending = LinkToStop(context);
        var watch = request.FromWire();
        var merge = EventMerge.Subscribe(operations.Executors, watch, request.HasExecutor ? request.Executor : null, ending.Token);
        var cursor = new EventCursor(identity.Epoch);

        // Whoever comes back with a cursor was away: what happened meanwhile is not kept.
        await responses.WriteAsync(new P.WatchResponse { Cursor = cursor.ToString(), Gap = request.Cursor.Length > 0 }, ending.Token);
        await foreach (var (executor, e) in merge.ReadAsync(ending.Token))
        {
            cursor.Advance(executor, e.Sequence);
            await responses.WriteAsync(new P.WatchResponse { Event = e.ToWire(), Cursor = cursor.ToString() }, ending.Token);
        }
    }
}
