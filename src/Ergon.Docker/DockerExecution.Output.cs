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

    /// <inheritdoc/>
    public async Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        if (_unrunnable is not null) return;
        var complete = false;
        if (_attached is { } attached)
        {
            complete = await TryCopyAsync(attached, output, cancellationToken);

            // The Engine's end looks like the job's end from here; whoever waits for the exit knows better.
            complete &= await _waited.Task.WaitAsync(cancellationToken) == Continuity.Unbroken;
        }

        while (!complete && !(_waited.Task.IsCompleted && await _waited.Task == Continuity.Lost))
            complete = await TryFollowLogAsync(output, cancellationToken);
    }

    private Task<MultiplexedStream> AttachStreamAsync(DockerClient client, CancellationToken cancellationToken) =>
        client.Containers.AttachContainerAsync(container, new ContainerAttachParameters { Stream = true, Stdout = true, Stderr = true }, cancellationToken);

    // The Engine's own log goes on where the attached stream broke off, or where a former process of ours had come to.
    private async Task<bool> TryFollowLogAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        try
        {
            // What comes with the very end may be missing in a log that is followed, so that an ended job's log is read once more.
            var ended = await EndedAsync(cancellationToken);
            var client = await engine.OpenAsync(cancellationToken);
            var parameters = new ContainerLogsParameters { ShowStdout = true, ShowStderr = true, Follow = !ended, Timestamps = true };
            using var log = await client.Containers.GetContainerLogsAsync(container, parameters, cancellationToken);
            LogRest stdout = new(OutputStream.Stdout, output), stderr = new(OutputStream.Stderr, output);
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
            return !await TryReconnectAsync(cancellationToken);
        }
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
            using var log = await client.Containers.GetContainerLogsAsync(container, parameters, token);
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

    /// <summary>One stream of the Engine's log, of which the beginning has been taken before.</summary>
    private sealed class LogRest(OutputStream stream, IOutputSink output)
    {
        private readonly EngineLogDecoder _decoder = new();
        private readonly ArrayBufferWriter<byte> _decoded = new();
        private long _taken = output.GetPosition(stream);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> read, CancellationToken cancellationToken)
        {
            _decoder.Decode(read.Span, _decoded);
            return FlushAsync(cancellationToken);
        }

        public ValueTask CompleteAsync(CancellationToken cancellationToken)
        {
            _decoder.Complete(_decoded);
            return FlushAsync(cancellationToken);
        }

        private async ValueTask FlushAsync(CancellationToken cancellationToken)
        {
            var known = (int)Math.Min(_taken, _decoded.WrittenCount);
            _taken -= known;
            if (known < _decoded.WrittenCount) await output.WriteAsync(stream, _decoded.WrittenMemory[known..], cancellationToken);
            _decoded.ResetWrittenCount();
        }
    }
}
