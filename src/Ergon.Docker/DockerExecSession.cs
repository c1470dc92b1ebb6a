using System.IO.Pipelines;
using System.Text;
using Ergon.Docker.Api;

namespace Ergon.Docker;

/// <summary>One command inside a container, over one hijacked connection.</summary>
internal sealed class DockerExecSession : IExecSession
{
    private readonly EngineConnection _engine;
    private readonly string _container;
    private readonly string _exec;
    private readonly bool _terminal;
    private readonly EngineStream _connection;
    private readonly Pipe _stdout = new();
    private readonly Pipe _stderr = new();
    private readonly CancellationTokenSource _closed = new();
    private readonly Task<int> _exit;
    private readonly byte[] _beginning = new byte[512];
    private int _beginningLength;
    private readonly CancellationTokenSource _connectionEnded = new();

    private DockerExecSession(EngineConnection engine, string container, string exec, ExecRequest request, EngineStream connection)
    {
        _engine = engine;
        _container = container;
        _exec = exec;
        _terminal = request.Terminal is not null;
        _connection = connection;
        StandardInput = request.Stdin || _terminal ? new InputStream(connection, _connectionEnded.Token) : Stream.Null;
        StandardOutput = _stdout.Reader.AsStream();
        StandardError = _stderr.Reader.AsStream();
        _exit = Task.Run(PumpAsync);
    }

    public Stream StandardInput { get; }

    public Stream StandardOutput { get; }

    public Stream StandardError { get; }

    public static async Task<DockerExecSession> StartAsync(EngineConnection engine, string container, ExecRequest request, CancellationToken cancellationToken)
    {
        var created = await engine.CallAsync("create a command", (client, token) => client.CreateExecAsync(container, ConfigOf(request), token), cancellationToken);
        var connection = await engine.CallAsync(
            "start a command",
            (client, token) => client.StartExecAsync(created, request.Terminal is not null, token),
            cancellationToken);
        var session = new DockerExecSession(engine, container, created, request, connection);
        try
        {
            if (request.Terminal is { } size) await session.ResizeAsync(size, cancellationToken);
            return session;
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    public Task<int> WaitAsync(CancellationToken cancellationToken = default) => _exit.WaitAsync(cancellationToken);

    public async Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken = default)
    {
        if (!_terminal) throw new ExecutorException(ErrorCode.InvalidState, "The command has no terminal to resize. Ask for one when you start it.");
        try
        {
            await _engine.CallAsync("resize the terminal", (client, token) => client.ResizeExecAsync(_exec, size.Rows, size.Columns, token), cancellationToken);
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.BackendFailed)
        {
            // A command that has ended has no terminal left to resize, whether its output has come to its end or not yet.
            if (!_connectionEnded.IsCancellationRequested && (await DescribeAsync(cancellationToken)).Running) throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_exit.IsCompleted)
        {
            await KillAsync();
            await _closed.CancelAsync();
            _connection.Dispose();
        }

        await ((Task)_exit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _connection.Dispose();
        await StandardInput.DisposeAsync();
        _closed.Dispose();
        _connectionEnded.Dispose();
    }

    private static ExecConfig ConfigOf(ExecRequest request) => new()
    {
        Cmd = [.. request.Command],
        Env = [.. request.Environment.Select(v => $"{v.Key}={v.Value}")],
        WorkingDir = request.WorkingDirectory,
        // A terminal without an input is none: programs ask it for its size through their input.
        AttachStdin = request.Stdin || request.Terminal is not null,
        AttachStdout = true,
        AttachStderr = true,
        Tty = request.Terminal is not null,
    };

    private async Task<int> PumpAsync()
    {
        Exception? failure = null;
        try
        {
            while (await _connection.ReadAsync(_closed.Token) is { } piece)
            {
                KeepBeginning(piece.Bytes.Span);
                await (piece.Stream == OutputStream.Stderr ? _stderr : _stdout).Writer.WriteAsync(piece.Bytes, _closed.Token);
            }
        }
        catch (Exception e)
        {
            failure = e;
        }
        finally
        {
            await _connectionEnded.CancelAsync();
            await _stdout.Writer.CompleteAsync(failure is OperationCanceledException ? null : failure);
            await _stderr.Writer.CompleteAsync(failure is OperationCanceledException ? null : failure);
        }

        return await ReadExitCodeAsync(failure);
    }

    private async Task<int> ReadExitCodeAsync(Exception? failure)
    {
        if (_closed.IsCancellationRequested) throw new ObjectDisposedException(nameof(IExecSession));

        // The connection may end a moment before the Engine has noted the exit code; it tells when it has.
        if (await InspectAsync() is { } known) return known;
        await ExecEnd.WaitAsync(_engine, _container, _exec, _closed.Token);
        return await InspectAsync()
            ?? throw new ExecutorException(ErrorCode.BackendFailed, "The Docker Engine closed the command's output but does not tell how it ended.", innerException: failure);
    }

    private Task<ExecDescription> DescribeAsync(CancellationToken cancellationToken) =>
        _engine.CallAsync("inspect the command", (client, token) => client.InspectExecAsync(_exec, token), cancellationToken);

    private async Task<int?> InspectAsync()
    {
        var state = await DescribeAsync(_closed.Token);
        if (state is not { Running: false, ExitCode: { } code }) return null;
        return state.Pid == 0 && code == 126 ? ExitCodeOfUnrunnable(code) : code;
    }

    private void KeepBeginning(ReadOnlySpan<byte> bytes)
    {
        var count = Math.Min(bytes.Length, _beginning.Length - _beginningLength);
        bytes[..count].CopyTo(_beginning.AsSpan(_beginningLength));
        _beginningLength += count;
    }

    // Where the command never became a process, its output is the runtime's explanation, and the Engine's code is always 126.
    private int ExitCodeOfUnrunnable(int code) => EngineErrors.ExitCodeOfUnrunnable(Encoding.UTF8.GetString(_beginning, 0, _beginningLength)) ?? code;

    // The Engine has no call that ends a command. Where it runs on this host, the process is found by the number that it gives, and
    // killed only if it really is in the container; elsewhere the command ends with its container.
    private async Task KillAsync()
    {
        try
        {
            var state = await DescribeAsync(CancellationToken.None);
            if (!state.Running || state.Pid <= 0) return;
            var cgroups = await File.ReadAllTextAsync($"/proc/{state.Pid}/cgroup", CancellationToken.None);
            if (!cgroups.Contains(_container, StringComparison.Ordinal)) return;
            using var process = System.Diagnostics.Process.GetProcessById(state.Pid);
            process.Kill();
        }
        catch (Exception e) when (e is ExecutorException or IOException or UnauthorizedAccessException or ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It has ended, or is out of reach.
        }
    }

    /// <summary>
    /// The command's input: closing it closes this direction of the connection alone. The Engine may keep that direction open, unread,
    /// after the command has ended: a write must not wait for it then.
    /// </summary>
    private sealed class InputStream(EngineStream connection, CancellationToken commandEnded) : Stream
    {
        private bool _ended;

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
            ObjectDisposedException.ThrowIf(_ended, this);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(commandEnded, cancellationToken);
            try
            {
                await connection.WriteAsync(buffer, either.Token);
            }
            catch (Exception e) when (e is ObjectDisposedException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                throw new IOException("The command has ended.", e);
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Write to a command asynchronously.");

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override async ValueTask DisposeAsync()
        {
            await EndAsync();
            await base.DisposeAsync();
        }

        protected override void Dispose(bool disposing)
        {
            // Ending it does not wait for anybody but where TLS says so itself; what fails is caught.
            if (disposing) _ = EndAsync();
            base.Dispose(disposing);
        }

        private async Task EndAsync()
        {
            if (_ended) return;
            _ended = true;
            try
            {
                await connection.CloseWriteAsync();
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or System.Net.Sockets.SocketException or InvalidOperationException)
            {
                // The command has ended: there is no input left to end.
            }
        }
    }
}
