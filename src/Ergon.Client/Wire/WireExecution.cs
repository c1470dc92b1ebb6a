using Google.Protobuf;
using P = Ergon.Protocol.V1;

namespace Ergon.Client.Wire;

/// <summary>What is known of executions, to the wire and from it.</summary>
internal static class WireExecution
{
    // One for all: snapshots that say the same are equal, as those of an executor in the same process.
    private static readonly Dictionary<string, string> NoLabels = [];

    public static P.ExecutionInfo ToWire(this ExecutionInfo info)
    {
        var wire = new P.ExecutionInfo
        {
            JobId = info.JobId.Value,
            ExecutionId = info.ExecutionId.Value,
            Executor = info.Executor,
            Status = info.Status.ToWire(),
            CreatedAt = info.CreatedAt.ToWire(),
            StartedAt = info.StartedAt?.ToWire(),
            FinishedAt = info.FinishedAt?.ToWire(),
            Reason = info.Reason is { } reason ? (P.TerminationReason)(reason + 1) : P.TerminationReason.Unspecified,
        };
        if (info.ExitCode is { } code) wire.ExitCode = code;
        if (info.Error is { } error) wire.Error = error;
        if (info.QueuePosition is { } place) wire.QueuePosition = place;
        wire.Ports.AddRange(info.Ports.Select(WireRequest.ToWire));
        wire.Labels.AddAll(info.Labels);
        return wire;
    }

    public static ExecutionInfo FromWire(this P.ExecutionInfo wire) => new()
    {
        JobId = JobIdOf(wire.JobId),
        ExecutionId = ExecutionIdOf(wire.ExecutionId),
        Executor = wire.Executor,
        Status = wire.Status.FromWire(),
        CreatedAt = wire.CreatedAt.FromWire(),
        StartedAt = wire.StartedAt.FromWireOrNull(),
        FinishedAt = wire.FinishedAt.FromWireOrNull(),
        Reason = wire.Reason == P.TerminationReason.Unspecified ? null : (TerminationReason)(wire.Reason - 1),
        ExitCode = wire.HasExitCode ? wire.ExitCode : null,
        Error = wire.HasError ? wire.Error : null,
        QueuePosition = wire.HasQueuePosition ? wire.QueuePosition : null,
        Ports = wire.Ports.Count == 0 ? [] : [.. wire.Ports.Select(WireRequest.FromWire)],
        Labels = wire.Labels.Count == 0 ? NoLabels : wire.Labels.ToDictionary(),
    };

    public static P.ExecutionStatus ToWire(this ExecutionStatus status) => (P.ExecutionStatus)(status + 1);

    public static ExecutionStatus FromWire(this P.ExecutionStatus status) => (ExecutionStatus)(status - 1);

    public static P.ExecutionResult ToWire(this ExecutionResult result)
    {
        var wire = new P.ExecutionResult
        {
            JobId = result.JobId.Value,
            ExecutionId = result.ExecutionId.Value,
            Status = result.Status.ToWire(),
            Reason = (P.TerminationReason)(result.Reason + 1),
            ExitCode = result.ExitCode,
            Stdout = ToWire(result.Stdout),
            Stderr = ToWire(result.Stderr),
            CreatedAt = result.CreatedAt.ToWire(),
            StartedAt = result.StartedAt.ToWire(),
            FinishedAt = result.FinishedAt.ToWire(),
        };
        if (result.Signal is { } signal) wire.Signal = signal.Number;
        if (result.Error is { } error) wire.Error = error;
        return wire;
    }

    public static ExecutionResult FromWire(this P.ExecutionResult wire) => new()
    {
        JobId = JobIdOf(wire.JobId),
        ExecutionId = ExecutionIdOf(wire.ExecutionId),
        Status = wire.Status.FromWire(),
        Reason = (TerminationReason)(wire.Reason - 1),
        ExitCode = wire.ExitCode,
        Signal = wire.HasSignal ? new Signal(wire.Signal) : null,
        Stdout = FromWire(wire.Stdout),
        Stderr = FromWire(wire.Stderr),
        Error = wire.HasError ? wire.Error : null,
        CreatedAt = wire.CreatedAt.FromWire(),
        StartedAt = wire.StartedAt.FromWire(),
        FinishedAt = wire.FinishedAt.FromWire(),
    };

    public static P.ExecutionEvent ToWire(this ExecutionEvent e) => new()
    {
        Sequence = e.Sequence,
        Timestamp = e.Timestamp.ToWire(),
        Type = (P.ExecutionEventType)(e.Type + 1),
        Info = e.Info.ToWire(),
        Progress = e.Progress is { } progress ? ToWire(progress) : null,
    };

    public static ExecutionEvent FromWire(this P.ExecutionEvent wire) => new()
    {
        Sequence = wire.Sequence,
        Timestamp = wire.Timestamp.FromWire(),
        Type = (ExecutionEventType)(wire.Type - 1),
        Info = wire.Info.FromWire(),
        Progress = wire.Progress is { } progress ? FromWire(progress) : null,
    };

    /// <summary>The id that the wire gives; <c>default</c> when it is none, which no executor knows.</summary>
    public static ExecutionId ExecutionIdOf(string text) => ExecutionId.TryParse(text, out var id) ? id : default;

    public static JobId JobIdOf(string text) => JobId.TryParse(text, out var id) ? id : default;

    private static P.CapturedOutput ToWire(CapturedOutput output) =>
        new() { Data = UnsafeByteOperations.UnsafeWrap(output.Bytes), TotalBytes = output.TotalBytes };

    private static CapturedOutput FromWire(P.CapturedOutput? wire) =>
        wire is null ? CapturedOutput.Empty : new CapturedOutput { Bytes = wire.Data.Memory, TotalBytes = wire.TotalBytes };

    private static P.PrepareProgress ToWire(PrepareProgress progress)
    {
        var wire = new P.PrepareProgress { Step = progress.Step };
        if (progress.Item is { } item) wire.Item = item;
        if (progress.Status is { } status) wire.Status = status;
        if (progress.Current is { } current) wire.Current = current;
        if (progress.Total is { } total) wire.Total = total;
        return wire;
    }

    private static PrepareProgress FromWire(P.PrepareProgress wire) => new(
        wire.Step,
        wire.HasItem ? wire.Item : null,
        wire.HasStatus ? wire.Status : null,
        wire.HasCurrent ? wire.Current : null,
        wire.HasTotal ? wire.Total : null);
}
