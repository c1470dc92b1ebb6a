namespace Ergon;

/// <summary>Reads the output of an execution as a plain stream of bytes.</summary>
public static class LogStreamExtensions
{
    /// <summary>Opens the output as a stream that ends where <see cref="IExecutor.GetLogStreamAsync"/> would.</summary>
    /// <param name="executor">The executor.</param>
    /// <param name="request">Which part of the output.</param>
    /// <param name="only">One of the streams; <see langword="null"/>: both, as they were read.</param>
    /// <exception cref="ExecutorException">As <see cref="IExecutor.GetLogStreamAsync"/>.</exception>
    public static Stream OpenLogStream(this IExecutor executor, LogStreamRequest request, OutputStream? only = null) =>
        new LogByteStream(token => executor.GetLogStreamAsync(request, token), only);

    private sealed class LogByteStream : Stream
    {
        private readonly CancellationTokenSource _closed = new();
        private readonly IAsyncEnumerator<LogEntry> _entries;
        private readonly OutputStream? _only;
        private ReadOnlyMemory<byte> _rest;

        public LogByteStream(Func<CancellationToken, IAsyncEnumerable<LogEntry>> open, OutputStream? only)
        {
            _only = only;
            _entries = open(_closed.Token).GetAsyncEnumerator(_closed.Token);
        }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (_rest.IsEmpty)
            {
                // An enumerator cannot be left in the middle of a step, so a cancelled read ends the stream.
                await using var registration = cancellationToken.Register(static s => ((CancellationTokenSource)s!).Cancel(), _closed);
                if (!await _entries.MoveNextAsync()) return 0;
                if (_only is null || _entries.Current.Stream == _only) _rest = _entries.Current.Data;
            }

            var count = Math.Min(buffer.Length, _rest.Length);
            _rest[..count].CopyTo(buffer);
            _rest = _rest[count..];
            return count;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) =>
            throw new NotSupportedException("Read a log stream asynchronously.");

        public override async ValueTask DisposeAsync()
        {
            // The base calls Dispose, which ends the reading; the token source has no timer and needs no disposal of its own.
            await base.DisposeAsync();
            await _entries.DisposeAsync();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _closed.Cancel();
            base.Dispose(disposing);
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
