using Ergon.Client.Wire;
using Ergon.Daemon.Executors;
using Ergon.Daemon.Security;
using Grpc.Core;
using P = Ergon.Protocol.V1;

namespace Ergon.Daemon.Rpc;

/// <summary>The contract over gRPC: calls with one answer.</summary>
internal sealed partial class ExecutorRpc(Operations operations, DaemonIdentity identity) : P.ExecutorService.ExecutorServiceBase
{
    private static readonly TimeSpan DefaultRemoveTime = TimeSpan.FromSeconds(30);

    public override async Task<P.StartResponse> Start(P.StartRequest request, ServerCallContext context)
    {
        var started = await operations.StartAsync(CallerOf(context), Read(request), context.CancellationToken);
        return new P.StartResponse { Info = started.Info.ToWire() };
    }

    public override async Task<P.WaitResponse> Wait(P.WaitRequest request, ServerCallContext context)
    {
        using var ending = LinkToStop(context);
        return new P.WaitResponse { Result = (await operations.WaitAsync(Id(request.ExecutionId), ending.Token)).ToWire() };
    }

    public override async Task<P.CancelResponse> Cancel(P.CancelRequest request, ServerCallContext context)
    {
        var id = Id(request.ExecutionId);
        using var ending = LinkToStop(context);
        if (request.RequestKey.Length > 0) await operations.UndoStartAsync(CallerOf(context), request.RequestKey, id, ending.Token);
        else await operations.CancelAsync(CallerOf(context), id, ending.Token);
        return new P.CancelResponse();
    }

    public override async Task<P.PauseResponse> Pause(P.PauseRequest request, ServerCallContext context)
    {
        await operations.PauseAsync(CallerOf(context), Id(request.ExecutionId), context.CancellationToken);
        return new P.PauseResponse();
    }

    public override async Task<P.ResumeResponse> Resume(P.ResumeRequest request, ServerCallContext context)
    {
        await operations.ResumeAsync(CallerOf(context), Id(request.ExecutionId), context.CancellationToken);
        return new P.ResumeResponse();
    }

    public override async Task<P.SignalResponse> Signal(P.SignalRequest request, ServerCallContext context)
    {
        await operations.SignalAsync(CallerOf(context), Id(request.ExecutionId), new Signal(request.Signal), context.CancellationToken);
        return new P.SignalResponse();
    }

    public override async Task<P.GetStatusResponse> GetStatus(P.GetStatusRequest request, ServerCallContext context) =>
        new() { Info = (await operations.GetStatusAsync(Id(request.ExecutionId), context.CancellationToken)).ToWire() };

    public override async Task<P.WaitForStatusResponse> WaitForStatus(P.WaitForStatusRequest request, ServerCallContext context)
    {
        using var ending = LinkToStop(context);
        var timeout = request.Timeout?.FromWire() ?? Timeout.InfiniteTimeSpan;
        var info = await operations.WaitForStatusAsync(Id(request.ExecutionId), request.Status.FromWire(), timeout, ending.Token);
        return new P.WaitForStatusResponse { Info = info.ToWire() };
    }

    public override async Task<P.ListResponse> List(P.ListRequest request, ServerCallContext context)
    {
        var (page, next) = await operations.ListAsync(
            request.FromWire(), request.HasExecutor ? request.Executor : null, request.HasIdPrefix ? request.IdPrefix : null,
            request.PageSize, request.PageToken, context.CancellationToken);
        var response = new P.ListResponse { NextPageToken = next };
        response.Executions.AddRange(page.Select(WireExecution.ToWire));
        return response;
    }

    public override async Task<P.RemoveResponse> Remove(P.RemoveRequest request, ServerCallContext context)
    {
        await operations.RemoveAsync(CallerOf(context), Id(request.ExecutionId), request.Timeout?.FromWire() ?? DefaultRemoveTime, context.CancellationToken);
        return new P.RemoveResponse();
    }

    public override async Task<P.CleanupResponse> Cleanup(P.CleanupRequest request, ServerCallContext context)
    {
        await operations.CleanupAsync(CallerOf(context), request.HasExecutor ? request.Executor : null, context.CancellationToken);
        return new P.CleanupResponse();
    }

    public override async Task<P.DrainStatus> Drain(P.DrainRequest request, ServerCallContext context)
    {
        using var ending = LinkToStop(context);
        var progress = request.Undo
            ? await operations.UndoDrainAsync(CallerOf(context), ending.Token)
            : await operations.DrainAsync(CallerOf(context), request.Wait?.FromWire() ?? TimeSpan.Zero, ending.Token);
        return progress.ToWire();
    }

    public override async Task<P.DrainStatus> GetDrain(P.GetDrainRequest request, ServerCallContext context) =>
        (await operations.GetDrainAsync(context.CancellationToken)).ToWire();

    public override async Task<P.ReloadResponse> Reload(P.ReloadRequest request, ServerCallContext context)
    {
        var change = await operations.ReloadAsync(CallerOf(context));
        return new P.ReloadResponse { Changed = { change.Changed }, NeedRestart = { change.NeedRestart } };
    }

    public override async Task<P.FingerprintResponse> Fingerprint(P.FingerprintRequest request, ServerCallContext context) =>
        new() { Fingerprint = (await operations.FingerprintAsync(request.Executor, context.CancellationToken)).ToWire() };

    public override Task<P.ListExecutorsResponse> ListExecutors(P.ListExecutorsRequest request, ServerCallContext context)
    {
        var response = new P.ListExecutorsResponse();
        response.Executors.AddRange(operations.Executors.All.Select(Describe));
        return Task.FromResult(response);
    }

    private static P.ExecutorDescription Describe(ManagedExecutor executor)
    {
        var description = new P.ExecutorDescription { Name = executor.Name, ExecutorId = executor.Executor.ExecutorId, Ready = executor.Ready };
        if (executor.Problem is { } problem) description.Problem = problem.Message;
        return description;
    }

    private static ExecutionRequest Read(P.StartRequest request)
    {
        var problems = new RequestProblems();
        var read = (request.Request ?? new P.ExecutionRequest()).FromWire(problems);
        problems.ThrowIfAny(read.ExecutionId);
        return read;
    }

    private static ExecutionId Id(string text) => ExecutionId.TryParse(text, out var id) ? id : throw new ExecutorException(
        [new RequestProblem("execution_id", $"is '{Json.Quoted.Clip(text)}'; give {Identifier.Rule}.")], null);

    private static Caller CallerOf(ServerCallContext context) => context.GetHttpContext().Features.Get<Caller>() ?? Caller.Unknown;

    private CancellationTokenSource LinkToStop(ServerCallContext context) =>
        CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, operations.Stopping);
}

/// <summary>What tells a daemon from another.</summary>
/// <param name="Id">The id that its data directory has.</param>
internal sealed record DaemonIdentity(string Id);
