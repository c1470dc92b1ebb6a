using System.Diagnostics;

namespace Ergon.Process.Tests;

/// <summary>Another program that runs jobs, until somebody kills it.</summary>
internal sealed class TestHost : IDisposable
{
    private readonly System.Diagnostics.Process _process;
    private readonly CancellationToken _token;

    private TestHost(System.Diagnostics.Process process, CancellationToken token) => (_process, _token) = (process, token);

    /// <summary>Starts it with one request.</summary>
    public static Task<TestHost> StartAsync(
        string executorId, string? dataDirectory, ExecutionRequest request, string what, CancellationToken token, params string[] wrapper) =>
        StartAsync(executorId, dataDirectory, [request], what, token, wrapper);

    /// <summary>Starts it.</summary>
    /// <param name="executorId">Its executor id.</param>
    /// <param name="dataDirectory">Its data directory; <see langword="null"/>: a temporary one.</param>
    /// <param name="requests">The jobs.</param>
    /// <param name="what">What it does; see there.</param>
    /// <param name="token">Cancels the waiting.</param>
    /// <param name="wrapper">A command that starts it.</param>
    public static async Task<TestHost> StartAsync(
        string executorId, string? dataDirectory, IReadOnlyList<ExecutionRequest> requests, string what, CancellationToken token, params string[] wrapper)
    {
        var directory = Directory.CreateTempSubdirectory("test-host-").FullName;
        var files = requests.Select((_, i) => Path.Combine(directory, $"{i}.json")).ToList();
        for (var i = 0; i < files.Count; i++) await File.WriteAllBytesAsync(files[i], ErgonJson.SerializeRequest(requests[i]), token);
        string[] command =
        [
            .. wrapper, "dotnet", Path.Combine(AppContext.BaseDirectory, "Ergon.Process.TestProgram.dll"), executorId, dataDirectory ?? "-",
            files.FirstOrDefault() ?? "-", what, .. files.Skip(1),
        ];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        return new TestHost(System.Diagnostics.Process.Start(start)!, token) { Files = directory };
    }

    /// <summary>Where its requests lie.</summary>
    public required string Files { get; init; }

    /// <summary>The next line that it writes; <see langword="null"/> when it has ended.</summary>
    public async Task<string?> ReadAsync() => await _process.StandardOutput.ReadLineAsync(_token);

    /// <summary>Waits for a line.</summary>
    public async Task SaysAsync(string line) => (await ReadAsync()).Should().Be(line);

    /// <summary>Kills it, without a chance to do anything more.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await EndsAsync();
    }

    public Task EndsAsync() => _process.WaitForExitAsync(_token);

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
        Directory.Delete(Files, recursive: true);
    }
}
