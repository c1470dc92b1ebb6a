using Ergon.Daemon.Executors;
using Grpc.Core;
using Grpc.Health.V1;
using P = Ergon.Protocol.V1;
using Status = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Ergon.Daemon.Rpc;

/// <summary>Health as gRPC defines it: of the daemon, and of each executor by its name.</summary>
internal sealed class HealthRpc(Operations operations, TimeProvider time) : Health.HealthBase
{
    public override async Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) => await StatusOfAsync(request.Service) is { } status
        ? new HealthCheckResponse { Status = status }
        : throw new RpcException(new Grpc.Core.Status(StatusCode.NotFound, $"There is no service '{Json.Quoted.Clip(request.Service)}'; the daemon is '', and executors have their names."));

    // A backend tells nobody that it is lost: who watches has it looked at, and only as long as it watches.
    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responses, ServerCallContext context)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, operations.Stopping);
        Status? last = null;
        while (!context.CancellationToken.IsCancellationRequested)
        {
            var status = operations.Stopping.IsCancellationRequested ? Status.NotServing : await StatusOfAsync(request.Service) ?? Status.ServiceUnknown;
            if (status != last) await responses.WriteAsync(new HealthCheckResponse { Status = status }, context.CancellationToken);
            last = status;
            if (operations.Stopping.IsCancellationRequested) return;
            await Task.Delay(ExecutorHealth.Freshness, time, ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<Status?> StatusOfAsync(string service)
    {
        if (service.Length == 0 || service == P.ExecutorService.Descriptor.FullName) return await operations.CheckReadinessAsync() == Readiness.Ready ? Status.Serving : Status.NotServing;
        return operations.Executors.Find(service) is { } executor ? (await executor.Health.CheckAsync()).Serving ? Status.Serving : Status.NotServing : null;
    }
}
