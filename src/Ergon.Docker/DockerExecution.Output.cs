using System.Buffers;
using System.Text;
using Docker.DotNet;
using Docker.DotNet.Models;
using Ergon.Drivers;

namespace Ergon.Docker;

internal sealed partial class DockerExecution
{
    private const int BufferSize = 64 * 1024;
    private const int LogEndBytes = 4096;
    private const string LogEndLines = "20";

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
            var parameters = new ContainerLogsParameters { ShowStdout = true, ShowStderr = true, Follow = !ended, Timestamps = true };
            using var log = await client.Containers.GetContainerLogsAsync(_container, parameters, cancellationToken);
            LogRest stdout = new(OutputStream.Stdout, output, _gaps), stderr = new(OutputStream.Stderr, output, _gaps);
            await CopyRestAsync(log, stdout, stderr, cancellationToken);
            if (!ended) return false;
            await stdout.CompleteAsync(cancellationToken);
            await stderr.CompleteAsync(cancellationToken);
            return true;
        }
        catch (DockerApiException e) when (EngineErrors.IsNotFound(e))
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
            var info = await engine.CallAsync("describe itself", (client, token) => client.System.GetSystemInfoAsync(token), cancellationToken);
            var now = ParseTime(info.SystemTime!);
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
    private async Task<bool> RemembersTheStartAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var remembers = false;
        var events = new SynchronousProgress<Message>(_ => remembers = true);
        await engine.CallAsync("list its events", (client, token) => client.System.MonitorEventsAsync(EventsUntil(UnixTime(now), "start"), events, token), cancellationToken);
        return remembers;
    }

    private static async Task CopyRestAsync(MultiplexedStream log, LogRest stdout, LogRest stderr, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (await log.ReadOutputAsync(buffer, 0, buffer.Length, cancellationToken) is { EOF: false } read)
                await (StreamOf(read) == OutputStream.Stderr ? stderr : stdout).WriteAsync(buffer.AsMemory(0, read.Count), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // The end of what an ended job wrote, for messages.
    private Task<string> ReadLogEndAsync(CancellationToken cancellationToken) => engine.CallAsync(
        "read the end of the log",
        async (client, token) =>
        {
            var parameters = new ContainerLogsParameters { ShowStdout = true, ShowStderr = true, Tail = LogEndLines };
            using var log = await client.Containers.GetContainerLogsAsync(_container, parameters, token);
            var kept = new byte[2 * LogEndBytes];
            var count = 0;
            while (await log.ReadOutputAsync(kept, count, kept.Length - count, token) is { EOF: false } read)
            {
                count += read.Count;
                if (count < kept.Length) continue;
                kept.AsSpan(LogEndBytes).CopyTo(kept);
                count = LogEndBytes;
            }

            return Encoding.UTF8.GetString(kept, Math.Max(0, count - LogEndBytes), Math.Min(count, LogEndBytes)).Trim();
        },
        cancellationToken);

    private async Task<bool> EndedAsync(CancellationToken cancellationToken)
    {
        try
        {
            return !(await InspectAsync(cancellationToken)).State!.Running;
        }
        catch (ExecutorException e) when (e.InnerException is { } inner && EngineErrors.IsNotFound(inner))
        {
            return true;
        }
    }

    // Whether the stream came to its own end, as opposed to breaking off.
    private static async Task<bool> TryCopyAsync(MultiplexedStream source, IOutputSink output, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (true)
            {
                var read = await source.ReadOutputAsync(buffer, 0, buffer.Length, cancellationToken);
                if (read.EOF) return true;
                await output.WriteAsync(StreamOf(read), buffer.AsMemory(0, read.Count), cancellationToken);
            }
        }
        catch (Exception e) when (EngineErrors.IsConnectionLoss(e) && !cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static OutputStream StreamOf(MultiplexedStream.ReadResult read) =>
        read.Target == MultiplexedStream.TargetStream.StandardError ? OutputStream.Stderr : OutputStream.Stdout;
}
