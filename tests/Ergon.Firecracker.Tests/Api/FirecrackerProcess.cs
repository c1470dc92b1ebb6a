using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Ergon.Linux;
using Ergon.MicroVm.Firecracker;

namespace Ergon.Firecracker.Tests.Api;

/// <summary>An answer, to the byte.</summary>
internal sealed record RawAnswer(string Head, string Body)
{
    public int Status => int.Parse(Head.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>A Firecracker of its own (or the stand-in), and requests to it that no client library has touched.</summary>
internal sealed class FirecrackerProcess : IAsyncDisposable
{
    public const string ApiName = "api.sock";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly Process _process;

    private FirecrackerProcess(string directory, Process process) => (Directory, _process) = (directory, process);

    public string Directory { get; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Starts it and waits until its API is there.</summary>
    public static async Task<FirecrackerProcess> StartAsync()
    {
        var directory = System.IO.Directory.CreateTempSubdirectory("firecracker-").FullName;
        using var appeared = new SocketWatcher(directory, ApiName);
        var firecracker = new FirecrackerProcess(directory, Start(directory, "--id", "demo-1", "--api-sock", ApiName));
        await appeared.WaitAsync(Token).WaitAsync(Deadline, Token);
        return firecracker;
    }

    /// <summary>Runs it to its end.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(string directory, params string[] arguments)
    {
        using var process = Start(directory, arguments);
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(Token), process.StandardError.ReadToEndAsync(Token));
        await process.WaitForExitAsync(Token).WaitAsync(Deadline, Token);
        return (process.ExitCode, await output + await errors);
    }

    private static Process Start(string directory, params string[] arguments) =>
        Process.Start(new ProcessStartInfo(FirecrackerProgram.Real ?? FirecrackerProgram.StandIn, arguments)
        {
            UseShellExecute = false,
            WorkingDirectory = directory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DOTNET_EnableDiagnostics"] = "0" },
        })!;

    public Task<RawAnswer> SendAsync(string method, string path, string body) =>
        SendAsync($"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}");

    /// <summary>Sends these bytes and reads one answer.</summary>
    public async Task<RawAnswer> SendAsync(string request)
    {
        await using var stream = await ConnectAsync();
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request), Token);
        var answer = new List<byte>();
        while (true)
        {
            var text = Encoding.UTF8.GetString([.. answer]);
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end >= 0 && text.Length - end - 4 >= LengthIn(text[..end])) return new RawAnswer(text[..end], text[(end + 4)..]);
            var buffer = new byte[4096];
            var count = await stream.ReadAsync(buffer, Token).AsTask().WaitAsync(Deadline, Token);
            if (count == 0) throw new IOException($"It closed the connection after '{text}'.");
            answer.AddRange(buffer.AsSpan(0, count));
        }
    }

    // A socket has its name some moments before it listens.
    private async Task<NetworkStream> ConnectAsync()
    {
        while (true)
        {
            try
            {
                return await UnixSocket.ConnectAsync(Directory, ApiName, Token);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused && !_process.HasExited)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(5), Token);
            }
        }
    }

    private static int LengthIn(string head) => head.Split("\r\n").FirstOrDefault(l => l.StartsWith("Content-Length: ", StringComparison.Ordinal)) is { } line
        ? int.Parse(line["Content-Length: ".Length..], System.Globalization.CultureInfo.InvariantCulture)
        : 0;

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }
}
