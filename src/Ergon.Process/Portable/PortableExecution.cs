using System.Buffers;
using System.ComponentModel;
using System.Diagnostics;
using Ergon.Drivers;

namespace Ergon.Process.Portable;

/// <summary>One execution as a plain child process.</summary>
internal sealed class PortableExecution(ExecutionRequest request, ProcessSpec spec, string directory) : IDriverExecution
{
    private const int NotFound = 127;
    private const int NotExecutable = 126;
    private const int ErrorFileNotFound = 2;
    private const int BufferBytes = 64 * 1024;

    // What a program needs to run at all on the systems that have no fixed places; nothing else of our environment is passed on.
    private static readonly string[] Inherited = ["PATH", "SystemRoot", "ComSpec", "PATHEXT", "WINDIR"];

    private System.Diagnostics.Process? _process;
    private string? _problem;
    private int _problemCode;

    public bool Started { get; private set; }

    public IReadOnlyList<PortMapping> Ports { get; } = [.. request.Network.Ports.Select(p => p with { HostPort = p.ExecutorPort })];

    public ValueTask StartAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!Directory.Exists(directory))
            throw new ExecutorException(ErrorCode.InvalidRequest, $"{SpecParameters.Field("working_directory")}: {directory} does not exist.", request.ExecutionId);
        var process = new System.Diagnostics.Process { StartInfo = Describe() };
        try
        {
            process.Start();
            process.StandardInput.Close();
            _process = process;
        }
        catch (Win32Exception e)
        {
            process.Dispose();
            _problemCode = e.NativeErrorCode == ErrorFileNotFound ? NotFound : NotExecutable;
            _problem = $"The command '{spec.Arguments[0]}' cannot be run: {e.Message}.";
        }

        Started = true;
        return ValueTask.CompletedTask;
    }

    private ProcessStartInfo Describe()
    {
        var info = new ProcessStartInfo(spec.Arguments[0], spec.Arguments.Skip(1))
        {
            WorkingDirectory = directory,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            CreateNoWindow = true,
        };
        info.Environment.Clear();
        foreach (var name in Inherited)
            if (Environment.GetEnvironmentVariable(name) is { } value) info.Environment[name] = value;
        foreach (var name in (string[])["HOME", "TMPDIR", "TEMP", "TMP"]) info.Environment[name] = directory;
        foreach (var (name, value) in spec.Environment) info.Environment[name] = value;
        foreach (var (name, value) in request.Environment) info.Environment[name] = value;
        return info;
    }

    public async Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        if (_process is null) return;
        await Task.WhenAll(
            CopyAsync(_process.StandardOutput.BaseStream, output, OutputStream.Stdout, cancellationToken),
            CopyAsync(_process.StandardError.BaseStream, output, OutputStream.Stderr, cancellationToken));
    }

    private static async Task CopyAsync(Stream source, IOutputSink sink, OutputStream stream, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (await source.ReadAsync(buffer, cancellationToken) is > 0 and var count)
                await sink.WriteAsync(stream, buffer.AsMemory(0, count), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public async Task<DriverExit> WaitAsync(CancellationToken cancellationToken)
    {
        if (_process is null) return new DriverExit { ExitCode = _problemCode, Message = _problem };
        await _process.WaitForExitAsync(cancellationToken);
        return new DriverExit { ExitCode = _process.ExitCode };
    }

    public ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken) =>
        signal == Signal.Kill
            ? KillAsync(cancellationToken)
            : throw new ExecutorException(ErrorCode.NotSupported, $"This system cannot send {signal} to a job; cancel it instead.", request.ExecutionId);

    // There is no way to ask; the engine kills when the grace period is over.
    public ValueTask StopAsync(CancellationToken cancellationToken) => KillAsync(cancellationToken);

    public ValueTask KillAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_process is { HasExited: false }) _process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended meanwhile.
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask PauseAsync(CancellationToken cancellationToken) => throw NotHere("pause a job");

    public ValueTask ResumeAsync(CancellationToken cancellationToken) => throw NotHere("resume a job");

    public ValueTask<IExecSession> ExecAsync(ExecRequest exec, CancellationToken cancellationToken) => throw NotHere("run another command inside a job");

    public IAsyncEnumerable<ExecutionStats> GetStatsAsync(CancellationToken cancellationToken) => throw NotHere("measure a job");

    public ValueTask CollectOutputsAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async ValueTask DestroyAsync(CancellationToken cancellationToken)
    {
        await KillAsync(cancellationToken);
        if (_process is not null) await _process.WaitForExitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await DestroyAsync(CancellationToken.None);
        _process?.Dispose();
        _process = null;
    }

    private ExecutorException NotHere(string what) =>
        new(ErrorCode.NotSupported, $"This system cannot {what}; use the docker executor, or Linux.", request.ExecutionId);
}
