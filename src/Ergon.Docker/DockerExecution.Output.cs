using System.Text;
using Ergon.Docker.Api;
using Ergon.Drivers;

namespace Ergon.Docker;

internal sealed partial class DockerExecution
{
    private const int LogEndBytes = 4096;
    private const string LogEnd = "tail=20";

    private readonly List<LogGap> _gaps = [];

    /// <inheritdoc/>
    public async Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        if (_unrunnable is not null) return;
        var complete = false;
        if (_attached is { } attached)
        {
            complete = await TryCopyAsync(attached, output, cancellationToken);
            var end = time.GetUtcNow();

            // The Engine's end looks like the job's end from here; whoever waits for the exit knows better.
            if (complete) await Task.WhenAny(_waited.Task, _back.Task).WaitAsync(cancellationToken);
            complete &= _waited.Task.IsCompleted && await _waited.Task == Continuity.Unbroken;
            if (!complete && !await TryResumeAsync(end, output, cancellationToken)) return;
        }

        while (!complete && !(_waited.Task.IsCompleted && await _waited.Task == Continuity.Lost))
            complete = await TryFollowLogAsync(output, cancellationToken);
    }

    // The Engine's own log goes on where the attached stream broke off, or where a former process of ours had come to.
    private async Task<bool> TryFollowLogAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        try
        {
            // What comes with the very end may be missing in a log that is followed, so that an ended job's log is read once more.
            var ended = await EndedAsync(cancellationToken);
            var client = engine.Open();
            using var log = await client.LogsAsync(_container, ended ? "timestamps=1" : "timestamps=1&follow=1", cancellationToken);
            LogRest stdout = new(OutputStream.Stdout, output, _gaps), stderr = new(OutputStream.Stderr, output, _gaps);
            await CopyRestAsync(log, stdout, stderr, cancellationToken);
            if (!ended) return false;
            await stdout.CompleteAsync(cancellationToken);
            await stderr.CompleteAsync(cancellationToken);
            return true;
        }
        catch (EngineApiException e) when (EngineErrors.IsNotFound(e))
        {
            return true;
        }
        catch (Exception e) when (EngineErrors.IsConnectionLoss(e) && !cancellationToken.IsCancellationRequested)
        {
            return !await TryResumeAsync(time.GetUtcNow(), output, cancellationToken);
        }
    }

    // Waits for the Engine to be back. One that was restarted has forgotten what it had read and not yet noted: mostly the beginning of
    // a line, which we may have. Its log then goes on with what came after, and cannot be counted on from what it had before.
    private async Task<bool> TryResumeAsync(DateTimeOffset end, IOutputSink output, CancellationToken cancellationToken)
    {
        if (_waited.Task.IsCompleted && await _waited.Task == Continuity.Lost) return false;
        if (!await engine.Return.WaitAsync(cancellationToken)) return false;
        try
        {
            var asked = time.GetUtcNow();
            var info = await engine.CallAsync("describe itself", (client, token) => client.InfoAsync(token), cancellationToken);
            var now = info.SystemTime;
            if (await RemembersTheStartAsync(now, cancellationToken)) return true;

            // Told in the Engine's time, which is what its log has; rather too late than too early by what the call took, since the Engine
            // was away for longer than that.
            _gaps.Add(new LogGap(end + (now - asked), output.GetPosition(OutputStream.Stdout), output.GetPosition(OutputStream.Stderr)));
        }
        catch (ExecutorException e) when (EngineErrors.IsConnectionLoss(e))
        {
            // Away once more: whoever reads on will notice.
        }

        return true;
    }

    // An Engine's memory of events does not outlive it.
    private Task<bool> RemembersTheStartAsync(DateTimeOffset now, CancellationToken cancellationToken) => engine.CallAsync(
        "list its events",
        async (client, token) =>
        {
            await foreach (var _ in client.EventsAsync(_container, UnixTime(now), ["start"], token)) return true;
            return false;
        },
        cancellationToken);

    private static async Task CopyRestAsync(EngineStream log, LogRest stdout, LogRest stderr, CancellationToken cancellationToken)
    {
        while (await log.ReadAsync(cancellationToken) is { } piece) await (piece.Stream == OutputStream.Stderr ? stderr : stdout).WriteAsync(piece.Bytes, cancellationToken);
    }

    // The end of what an ended job wrote, for messages.
    private Task<string> ReadLogEndAsync(CancellationToken cancellationToken) => engine.CallAsync(
        "read the end of the log",
        async (client, token) =>
        {
            using var log = await client.LogsAsync(_container, LogEnd, token);
            var kept = new List<byte>();
            while (await log.ReadAsync(token) is { } piece)
            {
                kept.AddRange(piece.Bytes.Span);
                if (kept.Count > LogEndBytes) kept.RemoveRange(0, kept.Count - LogEndBytes);
            }

            return Encoding.UTF8.GetString([.. kept]).Trim();
        },
        cancellationToken);

    private async Task<bool> EndedAsync(CancellationToken cancellationToken)
    {
        try
        {
            return !(await InspectAsync(cancellationToken)).State.Running;
        }
        catch (ExecutorException e) when (e.InnerException is { } inner && EngineErrors.IsNotFound(inner))
        {
            return true;
        }
    }

    // Whether the stream came to its own end, as opposed to breaking off.
    private static async Task<bool> TryCopyAsync(EngineStream source, IOutputSink output, CancellationToken cancellationToken)
    {
        try
        {
            while (await source.ReadAsync(cancellationToken) is { } piece) await output.WriteAsync(piece.Stream, piece.Bytes, cancellationToken);
            return true;
        }
        catch (Exception e) when (EngineErrors.IsConnectionLoss(e) && !cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }
}
