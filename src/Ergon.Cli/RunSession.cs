using System.Runtime.InteropServices;

namespace Ergon.Cli;

/// <summary>One run: starts the job, passes its output on, and turns signals of ours into its cancellation.</summary>
internal sealed class RunSession : IAsyncDisposable
{
    private static readonly TimeSpan KillTime = TimeSpan.FromSeconds(30);

    private readonly IExecutor _executor;
    private readonly ExecutionRequest _request;
    private readonly bool _json;
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly CancellationTokenSource _starting = new();
    private readonly TaskCompletionSource _killed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> _stops = [];
    private bool _started;
    private Signal? _received;
    private IOException? _outputError;

    public RunSession(IExecutor executor, ExecutionRequest request, bool json)
    {
        (_executor, _request, _json) = (executor, request, json);
        foreach (var (signal, number) in new[] { (PosixSignal.SIGINT, 2), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGHUP, 1) })
        {
            _signals.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                Stop(new Signal(number));
            }));
        }
    }

    /// <summary>How the job ended, once it has.</summary>
    public ExecutionResult? Result { get; private set; }

    /// <summary>Runs to the end.</summary>
    /// <param name="started">Called when the job runs, before its output is shown.</param>
    /// <returns>The exit code of ergon.</returns>
    /// <exception cref="ExecutorException">The executor could not do its part.</exception>
    public async Task<int> RunAsync(Func<ValueTask>? started)
    {
        try
        {
            await _executor.StartAsync(_request, _starting.Token);
        }
        catch (OperationCanceledException) when (_received is { } signal)
        {
            return 128 + signal.Number;
        }

        NoteStarted();
        if (started is not null) await started();

        // A terminal or a pager may take the output as late as it likes; whoever kills the job does not wait for that.
        if (!_json) await await Task.WhenAny(Task.Run(ShowOutputAsync), _killed.Task);
        try
        {
            Result = await _executor.WaitAsync(_request.ExecutionId);
        }
        catch (ExecutorException e) when (e.Code is ErrorCode.ExecutionNotFound or ErrorCode.ExecutionAlreadyConcluded && _received is not null)
        {
            // Killed at once and forgotten: there is nobody who still wants the result.
            return 128 + _received.Value.Number;
        }

        if (_json) PrintResult(Result);
        if (_outputError is null) return ExitCodes.Of(Result, _received);
        if (StandardStream.IsBrokenPipe(_outputError)) return ExitCodes.BrokenPipe;
        await Console.Error.WriteLineAsync($"ergon: the output could not be written: {_outputError.Message}");
        return ExitCodes.ErgonFailed;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var signal in _signals) signal.Dispose();
        Task[] stops;
        lock (_stops) stops = [.. _stops];
        await Task.WhenAll(stops);
        _starting.Dispose();
    }

    // The first signal asks the job to stop, or undoes its start; the second one kills it.
    private void Stop(Signal signal)
    {
        lock (_stops)
        {
            var again = _received is not null;
            _received ??= signal;
            if (!_started) _stops.Add(_starting.CancelAsync());
            else _stops.Add(Task.Run(() => again ? KillAsync() : CancelAsync()));
        }
    }

    private void NoteStarted()
    {
        lock (_stops)
        {
            _started = true;
            if (_received is not null) _stops.Add(Task.Run(CancelAsync));
        }
    }

    private async Task CancelAsync()
    {
        try
        {
            await _executor.CancelAsync(_request.ExecutionId);
        }
        catch (ExecutorException)
        {
            // It has ended.
        }
    }

    private async Task KillAsync()
    {
        try
        {
            await _executor.RemoveAsync(_request.ExecutionId, KillTime);
        }
        catch (ExecutorException)
        {
            // It has ended, or cannot be removed, which disposing the executor tries again.
        }
        finally
        {
            _killed.TrySetResult();
        }
    }

    private async Task ShowOutputAsync()
    {
        try
        {
            await foreach (var entry in _executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = _request.ExecutionId, Follow = true }))
                (entry.Stream == OutputStream.Stdout ? StandardStream.Output : StandardStream.Error).Write(entry.Data.Span);
        }
        catch (IOException e)
        {
            // What nobody takes any more is not worth computing: as with any program in a pipe, that is the end of the job.
            _outputError = e;
            await CancelAsync();
        }
        catch (ExecutorException) when (_received is not null)
        {
            // Killed and forgotten while it was shown.
        }
    }

    private void PrintResult(ExecutionResult result)
    {
        try
        {
            StandardStream.Output.Write([.. ErgonJson.SerializeResult(result), (byte)'\n']);
        }
        catch (IOException e)
        {
            _outputError = e;
        }
    }
}
