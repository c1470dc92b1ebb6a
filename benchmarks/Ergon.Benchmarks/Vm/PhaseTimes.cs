using System.Collections.Concurrent;
using System.Diagnostics;

namespace Ergon.Benchmarks;

/// <summary>Listens to the spans of executions and sorts their times by execution.</summary>
internal sealed class PhaseTimes : IDisposable
{
    private readonly ConcurrentDictionary<ActivityTraceId, ConcurrentDictionary<string, double>> _phases = new();
    private readonly ConcurrentDictionary<string, ActivityTraceId> _traces = new(StringComparer.Ordinal);
    private readonly ActivityListener _listener;

    public PhaseTimes()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name.StartsWith("Ergon", StringComparison.Ordinal),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = Add,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>What was measured of an execution that has ended, in milliseconds.</summary>
    public IReadOnlyDictionary<string, double> Of(ExecutionId id) =>
        _traces.TryRemove(id.Value, out var trace) && _phases.TryRemove(trace, out var phases) ? phases : new();

    private void Add(Activity activity)
    {
        if (activity.GetTagItem("ergon.execution_id") is string id) _traces[id] = activity.TraceId;
        var phases = _phases.GetOrAdd(activity.TraceId, _ => new());
        phases[activity.OperationName] = activity.Duration.TotalMilliseconds;
        if (activity.GetTagItem("ergon.guest.agent_start_ms") is double started) phases["agent start"] = started;
        if (activity.GetTagItem("ergon.guest.uptime_ms") is double uptime) phases["uptime"] = uptime;
    }

    public void Dispose() => _listener.Dispose();
}
