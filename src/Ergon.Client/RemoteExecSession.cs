using System.Collections.Concurrent;
using System.IO.Pipelines;
using Ergon.Client.Wire;
using Grpc.Core;
using P = Ergon.Protocol.V1;

namespace Ergon.Client;

/// <summary>A command inside an execution of a daemon: one call, whose messages are its input and output.</summary>
internal sealed class RemoteExecSession : IExecSession
{
    // What a command may write before somebody reads it.
    private static readonly PipeOptions Buffered = new(pauseWriterThreshold: 1 << 20, resumeWriterThreshold: 1 << 19, useSynchronizationContext: false);

    private readonly AsyncDuplexStreamingCall<P.ExecInput, P.ExecOutput> _call;
    private readonly CancellationTokenSource _ending;
    private readonly DaemonCalls _calls;
    private readonly Pipe _stdout = new(Buffered);
    private readonly Pipe _stderr = new(Buffered);
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly ConcurrentQueue<TaskCompletionSource> _resizes = new();
    private readonly TaskCompletionSource<int> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;
    private bool _inputEnded;
    private int _disposed;

    public RemoteExecSession(AsyncDuplexStreamingCall<P.ExecInput, P.ExecOutput> call, CancellationTokenSource ending, DaemonCalls calls)
    {
        (_call, _ending, _calls) = (call, ending, calls);
        StandardInput = new InputStream(this);
        StandardOutput = _stdout.Reader.AsStream();
        StandardError = _stderr.Reader.AsStream();
        _reading = Task.Run(ReadAsync);
    }

    public Stream StandardInput { get; }

    public Stream StandardOutput { get; }

    public Stream StandardError { get; }

    public Task<int> WaitAsync(CancellationToken cancellationToken = default) => _exit.Task.WaitAsync(cancellationToken);

    public async Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken = default)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await SendAsync(new P.ExecInput { Resize = size.ToWire() }, () => _resizes.Enqueue(done), cancellationToken);
        if (_exit.Task.IsCompleted) done.TrySetResult();
        await done.Task.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _ending.CancelAsync();
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _call.Dispose();
        _ending.Dispose();
        await _stdout.Reader.CompleteAsync();
        await _stderr.Reader.CompleteAsync();
    }

    private async Task ReadAsync()
    {
        Exception? failure = null;
        try
        {
            while (await _call.ResponseStream.MoveNext(_ending.Token)) await TakeAsync(_call.ResponseStream.Current);
            if (!_exit.Task.IsCompleted) failure = new IOException("The daemon ended the command's session without its exit code.");
        }
        catch (RpcException e)
        {
            failure = _ending.IsCancellationRequested ? new OperationCanceledException("The session was disposed.", e) : _calls.Failed(e);
        }
        catch (Exception e) when (e is OperationCanceledException or InvalidOperationException)
        {
            // Disposed in the middle of a step.
            failure = new OperationCanceledException("The session was disposed.", e);
        }

        if (failure is not null) _exit.TrySetException(failure);
        _ = _exit.Task.Exception;
        while (_resizes.TryDequeue(out var resize)) resize.TrySetResult();
        await _stdout.Writer.CompleteAsync(failure is OperationCanceledException ? null : failure);
        await _stderr.Writer.CompleteAsync(failure is OperationCanceledException ? null : failure);
    }

    private async Task TakeAsync(P.ExecOutput output)
    {
        switch (output.OutputCase)
        {
            case P.ExecOutput.OutputOneofCase.Stdout:
                await _stdout.Writer.WriteAsync(output.Stdout.Memory, _ending.Token);
                break;
            case P.ExecOutput.OutputOneofCase.Stderr:
                await _stderr.Writer.WriteAsync(output.Stderr.Memory, _ending.Token);
                break;
            case P.ExecOutput.OutputOneofCase.ExitCode:
                _exit.TrySetResult(output.ExitCode);
                break;
            case P.ExecOutput.OutputOneofCase.Resized when _resizes.TryDequeue(out var resize):
                if (output.Resized.Error is { } error) resize.TrySetException(error.FromWire());
                else resize.TrySetResult();
                break;
        }
    }

    private async Task SendAsync(P.ExecInput input, Action? before, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            if (_exit.Task.IsCompleted || _inputEnded) throw new IOException("The command has ended, or its input has.");
            before?.Invoke();
            _inputEnded = input.InputCase == P.ExecInput.InputOneofCase.StdinEnd;
            await _call.RequestStream.WriteAsync(input, cancellationToken);
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException)
        {
            throw new IOException("The command takes no more input: it has ended, or the connection to the daemon has.", e);
        }
        finally
        {
            _sending.Release();
        }
    }

    private sealed class InputStream(RemoteExecSession session) : Stream
    {
        private const int MaxMessage = 32 * 1024;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            for (; !buffer.IsEmpty; buffer = buffer[Math.Min(MaxMessage, buffer.Length)..])
            {
                var piece = Google.Protobuf.ByteString.CopyFrom(buffer.Span[..Math.Min(MaxMessage, buffer.Length)]);
                await session.SendAsync(new P.ExecInput { Stdin = piece }, null, cancellationToken);
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Write asynchronously.");

        public override async ValueTask DisposeAsync()
        {
            GC.SuppressFinalize(this);
            try
            {
                await session.SendAsync(new P.ExecInput { StdinEnd = true }, null, CancellationToken.None);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The command has ended, and its input with it.
            }

            await base.DisposeAsync();
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
