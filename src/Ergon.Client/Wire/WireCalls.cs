using Google.Protobuf;
using P = Ergon.Protocol.V1;

namespace Ergon.Client.Wire;

/// <summary>The arguments of calls and the items of streams, to the wire and from it.</summary>
internal static class WireCalls
{
    public static P.LogStreamRequest ToWire(this LogStreamRequest request)
    {
        var wire = new P.LogStreamRequest { ExecutionId = request.ExecutionId.Value, Tail = request.Tail, Follow = request.Follow, Cursor = request.Cursor?.ToWire() };
        if (request.JobId is { } job) wire.JobId = job.Value;
        return wire;
    }

    public static LogStreamRequest FromWire(this P.LogStreamRequest wire) => new()
    {
        ExecutionId = WireExecution.ExecutionIdOf(wire.ExecutionId),
        JobId = wire.HasJobId ? WireExecution.JobIdOf(wire.JobId) : null,
        Tail = wire.Tail,
        Follow = wire.Follow,
        Cursor = wire.Cursor is { } cursor ? cursor.FromWire() : null,
    };

    public static P.LogCursor ToWire(this LogCursor cursor) => new() { Position = cursor.Position, Offset = cursor.Offset };

    public static LogCursor FromWire(this P.LogCursor wire) => new(wire.Position, wire.Offset);

    public static P.LogStreamResponse ToWire(this LogEntry entry, LogCursor next) => new()
    {
        Stream = (P.OutputStream)entry.Stream,
        Timestamp = entry.Timestamp.ToWire(),
        Data = UnsafeByteOperations.UnsafeWrap(entry.Data),
        Position = entry.Position,
        Next = next.ToWire(),
    };

    public static LogEntry FromWire(this P.LogStreamResponse wire) =>
        new((OutputStream)wire.Stream, wire.Timestamp.FromWire(), wire.Data.Memory, wire.Position);

    public static P.ExecStart ToWire(this ExecRequest request, ExecutionId id)
    {
        var wire = new P.ExecStart { ExecutionId = id.Value, Stdin = request.Stdin, Terminal = request.Terminal?.ToWire() };
        if (request.WorkingDirectory is { } directory) wire.WorkingDirectory = directory;
        wire.Command.AddRange(request.Command);
        wire.Environment.AddAll(request.Environment);
        return wire;
    }

    public static ExecRequest FromWire(this P.ExecStart wire) => new()
    {
        Command = [.. wire.Command],
        Environment = wire.Environment.ToDictionary(),
        WorkingDirectory = wire.HasWorkingDirectory ? wire.WorkingDirectory : null,
        Stdin = wire.Stdin,
        Terminal = wire.Terminal?.FromWire(),
    };

    public static P.TerminalSize ToWire(this TerminalSize size) => new() { Columns = size.Columns, Rows = size.Rows };

    public static TerminalSize FromWire(this P.TerminalSize wire) => new(wire.Columns, wire.Rows);

    public static P.ListRequest ToWire(this ListRequest request)
    {
        var wire = new P.ListRequest();
        if (request.JobId is { } job) wire.JobId = job.Value;
        wire.Statuses.AddRange(request.Statuses.Select(WireExecution.ToWire));
        wire.Labels.AddAll(request.Labels);
        return wire;
    }

    public static ListRequest FromWire(this P.ListRequest wire) => new()
    {
        JobId = wire.HasJobId ? WireExecution.JobIdOf(wire.JobId) : null,
        Statuses = [.. wire.Statuses.Select(WireExecution.FromWire)],
        Labels = wire.Labels.ToDictionary(),
    };

    public static P.WatchRequest ToWire(this WatchRequest request)
    {
        var wire = new P.WatchRequest();
        if (request.ExecutionId is { } id) wire.ExecutionId = id.Value;
        if (request.JobId is { } job) wire.JobId = job.Value;
        if (request.After is { } after) wire.After = after;
        return wire;
    }

    public static WatchRequest FromWire(this P.WatchRequest wire) => new()
    {
        ExecutionId = wire.HasExecutionId ? WireExecution.ExecutionIdOf(wire.ExecutionId) : null,
        JobId = wire.HasJobId ? WireExecution.JobIdOf(wire.JobId) : null,
        After = wire.HasAfter ? wire.After : null,
    };
}
