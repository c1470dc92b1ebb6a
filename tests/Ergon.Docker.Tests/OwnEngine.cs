using CliWrap;
using CliWrap.Buffered;

namespace Ergon.Docker.Tests;

/// <summary>A Docker Engine that belongs to one test, which may do with it what it likes.</summary>
internal sealed class OwnEngine : IAsyncDisposable
{
    private static readonly string? Script = FindScript();

    private readonly string _directory = Directory.CreateTempSubdirectory("ergon-engine-").FullName;
    private readonly string[] _options;

    private OwnEngine(string[] options) => _options = options;

    public Uri Endpoint => new($"unix://{_directory}/docker.sock");

    /// <summary>Starts one, or skips the test where none can be started.</summary>
    public static async Task<OwnEngine> StartAsync(CancellationToken cancellationToken, params string[] options)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName == "root" && Script is not null, "An engine of the test's own needs Linux, root, and scripts/docker-engine.");
        Assert.SkipWhen(TestEngine.Endpoint is null, TestEngine.Missing);

        // It shares the machine with another engine, so it leaves the network alone.
        var engine = new OwnEngine(["--bridge=none", "--iptables=false", "--ip-forward=false", .. options]);
        try
        {
            await engine.StartAgainAsync(cancellationToken);
            return engine;
        }
        catch
        {
            await engine.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it after it was killed, on what it left.</summary>
    public Task StartAgainAsync(CancellationToken cancellationToken) => RunScriptAsync(["start", _directory, .. _options], cancellationToken);

    /// <summary>Kills the daemon, and nothing of what it started.</summary>
    public async Task KillAsync(CancellationToken cancellationToken)
    {
        var id = int.Parse(await File.ReadAllTextAsync(Path.Combine(_directory, "docker.pid"), cancellationToken));
        using var process = System.Diagnostics.Process.GetProcessById(id);
        process.Kill();
        await process.WaitForExitAsync(cancellationToken);
        File.Delete(Path.Combine(_directory, "docker.pid"));
    }

    public async ValueTask DisposeAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1), TimeProvider.System);
        await RunScriptAsync(["stop", _directory], deadline.Token);
    }

    private static async Task RunScriptAsync(IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        // The daemon goes on with the script's output, so that is not waited for.
        var errors = Path.GetTempFileName();
        try
        {
            var result = await Cli.Wrap("/bin/sh")
                .WithArguments(["-c", "script=$1 errors=$2; shift 2; exec \"$script\" \"$@\" >/dev/null 2>\"$errors\" </dev/null", "sh", Script!, errors, .. arguments])
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync(cancellationToken);
            Assert.True(result.IsSuccess, await File.ReadAllTextAsync(errors, cancellationToken));
        }
        finally
        {
            File.Delete(errors);
        }
    }

    private static string? FindScript()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            var script = Path.Combine(directory.FullName, "scripts", "docker-engine");
            if (File.Exists(script)) return script;
        }

        return null;
    }
}
