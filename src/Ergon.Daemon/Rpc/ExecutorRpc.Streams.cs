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
        var started = await operations.StartAsync(CallerOf(context), Read(request), context.CancellationToken);
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
        var subscription = EventSubscription.Create(
            operations.Executors, request.FromWire(), request.HasExecutor ? request.Executor : null, request.Cursor, identity.Id, ending.Token);
        await responses.WriteAsync(new P.WatchResponse { Cursor = subscription.Cursor, Gap = subscription.Gap }, ending.Token);
        await foreach (var e in subscription.ReadAsync(ending.Token))
            await responses.WriteAsync(new P.WatchResponse { Event = e?.ToWire(), Gap = e is null, Cursor = subscription.Cursor }, ending.Token);
    }
}
