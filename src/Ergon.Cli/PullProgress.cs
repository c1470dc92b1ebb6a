using Spectre.Console;

namespace Ergon.Cli;

/// <summary>Shows on a terminal how far the preparation is: one bar for each layer of an image that is pulled.</summary>
internal sealed class PullProgress : IAsyncDisposable
{
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _shown;

    private PullProgress(IAsyncEnumerable<ExecutionEvent> events) => _shown = ShowAsync(events, _ended.Token);

    /// <summary>Begins to watch an execution that is about to be started; nothing is shown until there is something to tell.</summary>
    public static PullProgress Begin(IExecutor executor, ExecutionId id) => new(executor.WatchAsync(new WatchRequest { ExecutionId = id }));

    public async ValueTask DisposeAsync()
    {
        if (!_ended.IsCancellationRequested) await _ended.CancelAsync();
        await _shown.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static async Task ShowAsync(IAsyncEnumerable<ExecutionEvent> events, CancellationToken ended)
    {
        await using var next = events.GetAsyncEnumerator(ended);
        if (!await MoveToProgressAsync(next)) return;
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        await console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new DownloadedColumn())
            .StartAsync(async context =>
            {
                var bars = new Dictionary<string, ProgressTask>();
                do Show(context, bars, next.Current.Progress!);
                while (await MoveToProgressAsync(next));
            });
    }

    private static async Task<bool> MoveToProgressAsync(IAsyncEnumerator<ExecutionEvent> events)
    {
        try
        {
            while (await events.MoveNextAsync())
                if (events.Current.Progress is not null) return true;
        }
        catch (OperationCanceledException)
        {
            // The job runs, or will not: there is nothing more to show.
        }

        return false;
    }

    private static void Show(ProgressContext context, Dictionary<string, ProgressTask> bars, PrepareProgress progress)
    {
        var key = progress.Item ?? progress.Step;
        if (!bars.TryGetValue(key, out var bar)) bars[key] = bar = context.AddTask(Markup.Escape(key), maxValue: double.MaxValue);
        bar.Description = Markup.Escape(progress.Status is { } status && progress.Item is not null ? $"{progress.Item} {status}" : progress.Step);
        bar.IsIndeterminate = progress.Total is null;
        if (progress.Total is { } total) bar.MaxValue = total;
        if (progress.Current is { } current) bar.Value = current;
    }
}
