using System.Text;

namespace Ergon.Conformance;

/// <summary>What tests ask of an executor in more than one step.</summary>
public static class ExecutorExtensions
{
    /// <summary>Waits until the job has written the text, and fails when it ends, or its time does, before that.</summary>
    public static async Task WaitForOutputAsync(this IExecutor executor, ExecutionId id, string text, CancellationToken cancellationToken)
    {
        var output = new Dictionary<OutputStream, StringBuilder>
        {
            [OutputStream.Stdout] = new(),
            [OutputStream.Stderr] = new(),
        };
        var end = "The job ended without writing";
        try
        {
            await foreach (var entry in executor.GetLogStreamAsync(new() { ExecutionId = id, Follow = true }, cancellationToken))
            {
                var stream = output[entry.Stream].Append(Encoding.UTF8.GetString(entry.Data.Span));
                if (stream.ToString().Contains(text, StringComparison.Ordinal)) return;
            }
        }
        catch (OperationCanceledException)
        {
            end = "In all of its time the job did not write";
        }

        Assert.Fail($"{end} '{text}'. stdout: {output[OutputStream.Stdout]} stderr: {output[OutputStream.Stderr]}");
    }

    /// <summary>Reads a stream of the log to its end.</summary>
    public static async Task<byte[]> ReadLogAsync(
        this IExecutor executor, LogStreamRequest request, OutputStream stream, CancellationToken cancellationToken)
    {
        using var bytes = new MemoryStream();
        await foreach (var entry in executor.GetLogStreamAsync(request, cancellationToken))
            if (entry.Stream == stream) bytes.Write(entry.Data.Span);
        return bytes.ToArray();
    }

    /// <summary>Reads the history of stdout as text.</summary>
    public static async Task<string> ReadStdoutAsync(this IExecutor executor, ExecutionId id, CancellationToken cancellationToken) =>
        Encoding.UTF8.GetString(await executor.ReadLogAsync(new() { ExecutionId = id }, OutputStream.Stdout, cancellationToken));

    /// <summary>Takes events until one of the type has come.</summary>
    public static async Task<List<ExecutionEvent>> ReadUntilAsync(this IAsyncEnumerator<ExecutionEvent> events, ExecutionEventType last)
    {
        List<ExecutionEvent> read = [];
        while (await events.MoveNextAsync())
        {
            read.Add(events.Current);
            if (events.Current.Type == last) return read;
        }

        Assert.Fail($"The events ended without {last}: {string.Join(", ", read.Select(e => e.Type))}");
        return read;
    }
}
