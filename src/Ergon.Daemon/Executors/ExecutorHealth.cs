namespace Ergon.Daemon.Executors;

/// <summary>Whether a backend does its part: looked at when somebody asks, and not again for a moment after that, however many ask.</summary>
internal sealed class ExecutorHealth(ManagedExecutor executor, TimeProvider time)
{
    /// <summary>How old an answer may be.</summary>
    public static readonly TimeSpan Freshness = TimeSpan.FromSeconds(3);

    // A backend that does not tell in time what it can do is none that jobs could be given to.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private Task<HealthReport>? _report;
    private long _at;

    /// <summary>Tells; the answer takes seconds at the most.</summary>
    public Task<HealthReport> CheckAsync()
    {
        lock (_lock)
        {
            if (_report is { IsCompleted: false } || (_report is not null && time.GetElapsedTime(_at) < Freshness)) return _report;
            _at = time.GetTimestamp();
            return _report = Task.Run(LookAsync);
        }
    }

    private async Task<HealthReport> LookAsync()
    {
        try
        {
            using var deadline = new CancellationTokenSource(AnswerTime, time);
            var fingerprint = await (await executor.GetAsync(deadline.Token)).FingerprintAsync(deadline.Token).WaitAsync(deadline.Token);
            return new HealthReport(fingerprint.Available, fingerprint.Available ? null : string.Join(' ', fingerprint.Problems.Select(p => $"{p.Problem} {p.Remedy}")));
        }
        catch (OperationCanceledException)
        {
            return new HealthReport(false, $"The backend of '{executor.Name}' did not answer within {Duration.Format(AnswerTime)}. Look at its log; restart it if need be.");
        }
        catch (ExecutorException e)
        {
            return new HealthReport(false, e.Message);
        }
    }
}

/// <summary>Whether an executor can take jobs.</summary>
/// <param name="Serving">Whether it can.</param>
/// <param name="Problem">Why not, and what to do.</param>
internal sealed record HealthReport(bool Serving, string? Problem);
