using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Ergon.Engine;

/// <summary>The traces and metrics of an executor. Both are named <c>Ergon</c>.</summary>
internal sealed class ErgonTelemetry : IDisposable
{
    public const string Name = "Ergon";

    // Seconds: a local process starts in milliseconds, a job may run for days.
    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400],
    };

    private static readonly ActivitySource Source = new(Name);

    private readonly Meter? _ownMeter;
    private readonly KeyValuePair<string, object?> _executor;
    private readonly Counter<long> _started;
    private readonly Counter<long> _startFailed;
    private readonly Counter<long> _concluded;
    private readonly UpDownCounter<long> _active;
    private readonly Histogram<double> _startDuration;
    private readonly Histogram<double> _queueDuration;
    private readonly Histogram<double> _runDuration;
    private readonly Counter<long> _logBytes;

    public ErgonTelemetry(IMeterFactory? factory, string executor)
    {
        // A factory owns the meters that it makes.
        var meter = factory?.Create(Name) ?? (_ownMeter = new Meter(Name));
        _executor = new("ergon.executor", executor);
        _started = meter.CreateCounter<long>("ergon.executions.started", "{execution}", "Executions whose job came to run.");
        _startFailed = meter.CreateCounter<long>("ergon.executions.start_failed", "{execution}", "Executions whose start failed, by error.");
        _concluded = meter.CreateCounter<long>("ergon.executions.concluded", "{execution}", "Executions that ended, by reason.");
        _active = meter.CreateUpDownCounter<long>("ergon.executions.active", "{execution}", "Executions that are pending, running or paused.");
        _startDuration = meter.CreateHistogram<double>("ergon.execution.start.duration", "s", "From the call of Start to the job's process.", tags: null, Seconds);
        _queueDuration = meter.CreateHistogram<double>("ergon.execution.queue.duration", "s", "From the call of Start to the share of resources, of executions that had to wait.");
        _runDuration = meter.CreateHistogram<double>("ergon.execution.run.duration", "s", "From the job's process to its end.", tags: null, Seconds);
        _logBytes = meter.CreateCounter<long>("ergon.log.bytes", "By", "Bytes of output read from jobs.");
    }

    public void Reserved() => _active.Add(1, _executor);

    public void Started(TimeSpan took)
    {
        _started.Add(1, _executor);
        _startDuration.Record(took.TotalSeconds, _executor);
    }

    /// <summary>An execution that had to wait has its share.</summary>
    public void Admitted(TimeSpan waited) => _queueDuration.Record(waited.TotalSeconds, _executor);

    public void StartFailed(ErrorCode code)
    {
        _active.Add(-1, _executor);
        _startFailed.Add(1, _executor, new("error.type", code.ToString()));
    }

    public void Concluded(TerminationReason reason, TimeSpan ran)
    {
        _active.Add(-1, _executor);
        _concluded.Add(1, _executor, new("ergon.reason", reason.ToString()));
        _runDuration.Record(ran.TotalSeconds, _executor);
    }

    /// <summary>An active execution was left to run on without this executor.</summary>
    public void Detached() => _active.Add(-1, _executor);

    public void LogBytes(int count) => _logBytes.Add(count, _executor);

    /// <summary>Begins the span of one execution; it ends when the execution has ended.</summary>
    public Activity? BeginExecution(ExecutionRequest request)
    {
        var activity = Source.StartActivity("execution");
        activity?.SetTag("ergon.job_id", request.JobId.Value);
        activity?.SetTag("ergon.execution_id", request.ExecutionId.Value);
        activity?.SetTag("ergon.executor", _executor.Value);
        return activity;
    }

    /// <summary>Begins the span of one phase of an execution.</summary>
    public static Activity? BeginPhase(string phase, Activity? execution) =>
        execution is null ? null : Source.StartActivity(phase, ActivityKind.Internal, execution.Context);

    public void Dispose() => _ownMeter?.Dispose();
}
