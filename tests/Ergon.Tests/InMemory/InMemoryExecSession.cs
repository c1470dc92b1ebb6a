using System.IO.Pipelines;
using System.Text.Json;
using Ergon.Conformance;

namespace Ergon.Tests.InMemory;

/// <summary>Another process inside a container in memory. Its command is <c>job</c> with a <see cref="TestJob"/> in JSON.</summary>
internal sealed class InMemoryExecSession : IExecSession
{
    private readonly Pipe _stdin = new();
    private readonly Pipe _stdout = new();
    private readonly Pipe _stderr = new();
    private readonly InMemoryProcess _process;
    private readonly Task<int> _end;
    private TerminalSize? _terminal;

    public InMemoryExecSession(InMemoryContainer container, ExecRequest request)
    {
        var job = request.Command is ["job", var json] ? JsonSerializer.Deserialize<TestJob>(json) : null;
        _terminal = request.Terminal;
        if (!request.Stdin) _stdin.Writer.Complete();
        _process = new InMemoryProcess(container)
        {
            Arguments = job?.Arguments ?? [],
            Environment = InMemoryContainer.Merge([], container.Environment, request.Environment),
            WorkingDirectory = request.WorkingDirectory ?? container.WorkingDirectory,
            Input = _stdin.Reader.AsStream(),
            Write = WriteAsync,
            Terminal = () => _terminal,
        };
        StandardInput = new InputStream(_stdin.Writer);
        _end = RunAsync(container, job?.Steps ?? [Exit(127)]);
    }

    public Stream StandardInput { get; }

    public Stream StandardOutput => _stdout.Reader.AsStream(leaveOpen: true);

    public Stream StandardError => _stderr.Reader.AsStream(leaveOpen: true);

    public static IReadOnlyList<string> Command(TestJob job) => job.Program ?? ["job", JsonSerializer.Serialize(job)];

    public Task<int> WaitAsync(CancellationToken cancellationToken = default) => _end.WaitAsync(cancellationToken);

    public Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken = default)
    {
        if (_terminal is null) throw new ExecutorException(ErrorCode.InvalidState, "The command has no terminal.");
        _terminal = size;
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _process.Die(ProcessEnd.By(Signal.Kill));
        await _end;
    }

    private async Task<int> RunAsync(InMemoryContainer container, IReadOnlyList<Step> steps)
    {
        await Task.Yield();
        var end = await container.RunProcessAsync(_process, steps);
        await _stdin.Reader.CompleteAsync();
        await _stdout.Writer.CompleteAsync();
        await _stderr.Writer.CompleteAsync();
        return end.Code;
    }

    private async ValueTask WriteAsync(OutputStream stream, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        var pipe = stream == OutputStream.Stdout || _terminal is not null ? _stdout : _stderr;
        await pipe.Writer.WriteAsync(data, cancellationToken);
    }

    /// <summary>A pipe that breaks, as pipes do, when its reader is gone.</summary>
    private sealed class InputStream(PipeWriter writer) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var result = await writer.WriteAsync(buffer, cancellationToken);
            if (result.IsCompleted) throw new IOException("The command has ended.");
        }

        public override async ValueTask DisposeAsync()
        {
            await writer.CompleteAsync();
            await base.DisposeAsync();
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
