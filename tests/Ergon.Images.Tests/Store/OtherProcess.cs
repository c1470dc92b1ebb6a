using System.Diagnostics;

namespace Ergon.Images.Tests.Store;

/// <summary>Another process with an image store of its own.</summary>
internal sealed class OtherProcess : IAsyncDisposable
{
    private readonly Process _process;

    private OtherProcess(Process process) => _process = process;

    public static OtherProcess Start(params string[] arguments)
    {
        var info = new ProcessStartInfo("dotnet") { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true };
        info.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Ergon.Images.TestProgram.dll"));
        foreach (var argument in arguments) info.ArgumentList.Add(argument);
        return new OtherProcess(Process.Start(info)!);
    }

    /// <summary>The next line that it prints.</summary>
    public async Task<string> LineAsync() =>
        await _process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromMinutes(1)) ?? throw new InvalidOperationException("It ended.");

    /// <summary>Lets it end.</summary>
    /// <returns>What it printed meanwhile.</returns>
    public async Task<string> EndAsync()
    {
        _process.StandardInput.Close();
        var rest = await _process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        _process.ExitCode.Should().Be(0);
        return rest;
    }

    /// <summary>Kills it, as a crash would.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }
}
