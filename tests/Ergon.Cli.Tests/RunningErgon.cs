using System.Runtime.InteropServices;
using System.Text;

namespace Ergon.Cli.Tests;

/// <summary>A running <c>ergon</c>. Disposing kills it if it still runs.</summary>
internal sealed partial class RunningErgon : IAsyncDisposable
{
    private readonly System.Diagnostics.Process _process;
    private readonly CancellationTokenSource _deadline;
    private readonly Task<string> _error;
    private readonly Task _input;
    private readonly MemoryStream _output = new();

    public RunningErgon(System.Diagnostics.Process process, string input, TimeSpan deadline)
    {
        _process = process;
        _deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        _deadline.CancelAfter(deadline);
        _error = process.StandardError.ReadToEndAsync(_deadline.Token);
        _input = WriteInputAsync(input);
    }

    public int Id => _process.Id;

    /// <summary>Reads the output up to a text, which proves that it was there while the job ran.</summary>
    public async Task ReadUntilAsync(string text)
    {
        var buffer = new byte[4096];
        while (!Encoding.UTF8.GetString(_output.ToArray()).Contains(text, StringComparison.Ordinal))
        {
            var read = await _process.StandardOutput.BaseStream.ReadAsync(buffer, _deadline.Token);
            if (read == 0) throw new InvalidOperationException($"Ergon ended without '{text}': {await _error}");
            await _output.WriteAsync(buffer.AsMemory(0, read), _deadline.Token);
        }
    }

    public void Send(Signal signal) => Kill(_process.Id, signal.Number).Should().Be(0);

    /// <summary>Goes away, as <c>head</c> does when it has seen enough.</summary>
    public void StopReading() => _process.StandardOutput.Close();

    /// <summary>Waits for the end, without what <see cref="StopReading"/> has given up.</summary>
    public async Task<Outcome> WaitAsync()
    {
        if (_process.StandardOutput.BaseStream is { CanRead: true } rest) await rest.CopyToAsync(_output, _deadline.Token);
        var error = await _error;
        await _input;
        await _process.WaitForExitAsync(_deadline.Token);
        return new Outcome(_process.ExitCode, _output.ToArray(), error);
    }

    /// <summary>Waits for the end of one whose output nobody reads.</summary>
    public async Task<int> WaitForExitAsync()
    {
        await _process.WaitForExitAsync(_deadline.Token);
        return _process.ExitCode;
    }

    public ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
        _deadline.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task WriteInputAsync(string input)
    {
        await using var writer = _process.StandardInput;
        await writer.WriteAsync(input);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
