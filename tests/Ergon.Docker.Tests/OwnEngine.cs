using CliWrap;
using CliWrap.Buffered;

namespace Ergon.Docker.Tests;

/// <summary>A Docker Engine that belongs to one test, which may do with it what it likes.</summary>
internal sealed class OwnEngine : IAsyncDisposable
{
    private static readonly string? Script = FindScript();

    private static int Started;

    private readonly string _directory = Directory.CreateTempSubdirectory("ergon-engine-").FullName;

    // A bridge of its own. Not none: an engine that is started without a bridge removes docker0, which belongs to the other engine.
    private readonly int _number = Interlocked.Increment(ref Started);
    private readonly string[] _options;

    private OwnEngine(string[] options) => _options = ["--iptables=false", "--ip-forward=false", $"--bridge={Bridge}", .. options];

    public Uri Endpoint => new($"unix://{_directory}/docker.sock");

    private string Bridge => $"ergon-{Environment.ProcessId % 100_000}-{_number}";

    /// <summary>Starts one, or skips the test where none can be started.</summary>
    public static async Task<OwnEngine> StartAsync(CancellationToken cancellationToken, params string[] options)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName == "root" && Script is not null, "An engine of the test's own needs Linux, root, and scripts/docker-engine.");
        Assert.SkipWhen(TestEngine.Endpoint is null, TestEngine.Missing);
        var engine = new OwnEngine(options);
        try
        {
            await RunAsync("ip", ["link", "add", engine.Bridge, "type", "bridge"], cancellationToken);
            await RunAsync("ip", ["addr", "add", $"198.18.{engine._number % 250}.1/24", "dev", engine.Bridge], cancellationToken);
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

    /// <summary>Shuts the daemon down as a package upgrade does, and waits for its end.</summary>
    public async Task ShutDownAsync(CancellationToken cancellationToken)
    {
        var id = int.Parse(await File.ReadAllTextAsync(Path.Combine(_directory, "docker.pid"), cancellationToken));
        using var process = System.Diagnostics.Process.GetProcessById(id);
        await RunAsync("kill", [id.ToString(System.Globalization.CultureInfo.InvariantCulture)], cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1), TimeProvider.System);
        try
        {
            await RunScriptAsync(["stop", _directory], deadline.Token);
        }
        finally
        {
            await RunAsync("ip", ["link", "delete", Bridge], deadline.Token);
        }
    }

    private static async Task RunAsync(string program, string[] arguments, CancellationToken cancellationToken) =>
        await Cli.Wrap(program).WithArguments(arguments).ExecuteBufferedAsync(cancellationToken);

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
