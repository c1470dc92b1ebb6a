using Microsoft.Extensions.Logging;

namespace Ergon.Daemon.Executors;

/// <summary>
/// One executor and its recovery: until it has found again what a former daemon left, it takes no calls, and tries again on its own and
/// whenever somebody asks for it.
/// </summary>
internal sealed class ManagedExecutor : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(2);

    private readonly string _directory;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource _asked = NewSignal();
    private TaskCompletionSource _tried = NewSignal();
    private Task _recovery = Task.CompletedTask;

    public ManagedExecutor(Executor executor, string dataDirectory, ILogger logger, TimeProvider time)
    {
        Executor = executor;
        _directory = Path.Combine(dataDirectory, executor.ExecutorId);
        _logger = logger;
        _time = time;
        Health = new ExecutorHealth(this, time);
    }

    public Executor Executor { get; }

    public string Name => Executor.Name;

    /// <summary>Whether its backend does its part.</summary>
    public ExecutorHealth Health { get; }

    /// <summary>Whether it takes calls.</summary>
    public bool Ready { get; private set; }

    /// <summary>Why it does not.</summary>
    public ExecutorException? Problem { get; private set; }

    /// <summary>Begins to recover; completes after the first try.</summary>
    public Task StartAsync()
    {
        var first = _tried.Task;
        _recovery = Task.Run(RecoverAsync);
        return first;
    }

    /// <summary>Whether an execution is, or may be, this executor's: one that is not found again yet lies in its directory.</summary>
    public bool MayKnow(ExecutionId id) => Executor.Knows(id) || (!Ready && id.Value.Length > 0 && Directory.Exists(Path.Combine(_directory, id.Value)));

    /// <summary>Returns the executor once it takes calls; tries to recover now if it did not succeed yet.</summary>
    /// <exception cref="ExecutorException">Why it takes none.</exception>
    public async ValueTask<Executor> GetAsync(CancellationToken cancellationToken)
    {
        if (Ready) return Executor;
        Task tried;
        lock (_lock)
        {
            tried = _tried.Task;
            _asked.TrySetResult();
        }

        await tried.WaitAsync(cancellationToken);
        if (Ready) return Executor;
        throw Problem ?? new ExecutorException(ErrorCode.ExecutorClosed, $"The executor '{Name}' is being stopped.");
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _recovery;
        await Executor.DisposeAsync();
        _closing.Dispose();
    }

    private async Task RecoverAsync()
    {
        var pause = FirstPause;
        while (!await TryRecoverAsync())
        {
            Task asked;
            lock (_lock)
            {
                _asked = NewSignal();
                asked = _asked.Task;
            }

            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
            await Task.WhenAny(asked, Task.Delay(pause, _time, waiting.Token));
            await waiting.CancelAsync();
            if (_closing.IsCancellationRequested) return;
            pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
        }
    }

    private async Task<bool> TryRecoverAsync()
    {
        try
        {
            await Executor.RecoverAsync(_closing.Token);
            (Ready, Problem) = (true, null);
        }
        catch (ExecutorException e)
        {
            if (Problem?.Message != e.Message) DaemonLog.RecoveryFailed(_logger, Name, e.Message);
            Problem = e;
        }
        catch (OperationCanceledException)
        {
            // Closing.
        }
        catch (Exception e)
        {
            // One executor's fault must not end the daemon; whoever asks for the executor is told.
            DaemonLog.RecoveryFailed(_logger, Name, e.Message, e);
            Problem = new ExecutorException(ErrorCode.BackendFailed, $"The executor '{Name}' could not find again what was left: {e.Message}", innerException: e);
        }

        TaskCompletionSource tried;
        lock (_lock) (tried, _tried) = (_tried, NewSignal());
        tried.TrySetResult();
        return Ready || _closing.IsCancellationRequested;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
