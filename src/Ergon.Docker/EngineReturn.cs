namespace Ergon.Docker;

/// <summary>Waits for an Engine that went away, once for everybody who lost it.</summary>
internal sealed class EngineReturn(EngineConnection engine, TimeSpan patience, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _disposed = new();
    private Task<bool>? _waiting;

    /// <summary>Completes when the Engine answers again, with <see langword="false"/> when it does not for as long as there is patience.</summary>
    public Task<bool> WaitAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_waiting is null or { IsCompleted: true }) _waiting = Task.Run(() => TryAsync(_disposed.Token), CancellationToken.None);
            return _waiting.WaitAsync(cancellationToken);
        }
    }

    public void Dispose()
    {
        _disposed.Cancel();
        _disposed.Dispose();
    }

    // Nothing tells when a dead Engine is back, so this is the one place that asks repeatedly.
    private async Task<bool> TryAsync(CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        for (var wait = FirstRetry; time.GetElapsedTime(begun) < patience; wait = wait * 2 < LongestRetry ? wait * 2 : LongestRetry)
        {
            try
            {
                await Task.Delay(wait, time, cancellationToken);
                await engine.CallAsync("answer", (client, token) => client.PingAsync(token), cancellationToken);
                return true;
            }
            catch (ExecutorException)
            {
                // Not yet.
            }
            catch (OperationCanceledException)
            {
                return false;
            }
        }

        return false;
    }
}
