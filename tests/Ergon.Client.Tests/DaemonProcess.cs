using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Ergon.Daemon;

namespace Ergon.Client.Tests;

/// <summary>A daemon in a process of its own: <c>ergon serve</c> over local processes. <c>ERGON_CLI</c> names another file, such as the native one.</summary>
internal sealed partial class DaemonProcess : IAsyncDisposable
{
    private const int FileSize = 1;
    private const int CoreSize = 4;

    private static readonly TimeSpan StopTime = TimeSpan.FromMinutes(1);

    private readonly string _settings;
    private readonly IReadOnlyDictionary<string, string>? _environment;
    private readonly StringBuilder _log = new();
    private System.Diagnostics.Process _process;
    private bool _disposed;

    private DaemonProcess(string settings, string socket, IReadOnlyDictionary<string, string>? environment)
    {
        (_settings, _environment) = (settings, environment);
        Socket = socket;
        _process = Start();
    }

    public string Socket { get; }

    public Uri Address => DaemonAddress.OfSocket(Socket);

    public int Id => _process.Id;

    /// <summary>Its exit code once it has ended; that of a signal is 128 more than the signal's number.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Completes when it has ended.</summary>
    public Task Ended => _process.WaitForExitAsync();

    /// <summary>What it said on stderr and stdout.</summary>
    public string Log
    {
        get { lock (_log) return _log.ToString(); }
    }

    private static string Program { get; } = Environment.GetEnvironmentVariable("ERGON_CLI") is { Length: > 0 } given
        ? Path.GetFullPath(given)
        : Path.Combine(AppContext.BaseDirectory, "Ergon.Cli");

    /// <summary>Starts one; it takes calls a little later.</summary>
    /// <param name="directory">A directory for its socket and its settings.</param>
    /// <param name="file">Its settings, without the socket.</param>
    /// <param name="environment">Variables that it has beside ours.</param>
    public static DaemonProcess Start(string directory, DaemonFile file, IReadOnlyDictionary<string, string>? environment = null)
    {
        var socket = Path.Combine(directory, "ergon.sock");
        var settings = Path.Combine(directory, "daemon.json");
        File.WriteAllBytes(settings, (file with { Socket = socket }).Serialize());
        return new DaemonProcess(settings, socket, environment);
    }

    /// <summary>Kills it as the kernel would, without a word.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Has the kernel end it, by SIGXFSZ and without a core, at its first write into a file at an offset of so many bytes or more.</summary>
    public void EndAtFileOffset(long bytes)
    {
        Limit(FileSize, (ulong)bytes);
        Limit(CoreSize, 0);

        void Limit(int resource, ulong value)
        {
            if (SetLimit(_process.Id, resource, [value, ulong.MaxValue], 0) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>Starts it again after it has ended.</summary>
    public void Restart() => _process = Start();

    /// <summary>Asks it to stop, and waits until it has.</summary>
    public async Task StopAsync()
    {
        if (!_process.HasExited) _ = SendSignal(_process.Id, Signal.Terminate.Number);
        using var deadline = new CancellationTokenSource(StopTime);
        await _process.WaitForExitAsync(deadline.Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        await StopAsync();
        _process.Dispose();
    }

    private System.Diagnostics.Process Start()
    {
        var info = new ProcessStartInfo(Program, ["serve", "--config", _settings]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in _environment ?? new Dictionary<string, string>()) info.Environment[name] = value;
        var process = System.Diagnostics.Process.Start(info)!;
        process.OutputDataReceived += (_, line) => Note(line.Data);
        process.ErrorDataReceived += (_, line) => Note(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private void Note(string? line)
    {
        lock (_log) _log.AppendLine(line);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);

    [LibraryImport("libc", EntryPoint = "prlimit", SetLastError = true)]
    private static partial int SetLimit(int process, int resource, ReadOnlySpan<ulong> limit, nint former);
}
