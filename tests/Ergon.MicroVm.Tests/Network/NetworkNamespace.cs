using System.Diagnostics;
using CliWrap;
using CliWrap.Buffered;

namespace Ergon.MicroVm.Tests.Network;

/// <summary>A network of its own, with nothing in it but a loopback. It vanishes with this object, and with the test's process.</summary>
internal sealed class NetworkNamespace : IAsyncDisposable
{
    public static readonly string Program = Path.Combine(AppContext.BaseDirectory, "Ergon.MicroVm.TestProgram");

    /// <summary>The command that runs it as another user. It is seen elsewhere then: the clone may lie in a directory that is its owner's only.</summary>
    public static string ProgramAs(int user) =>
        $"unshare --mount sh -c 'mount --bind {AppContext.BaseDirectory} /mnt && exec setpriv --reuid={user} --regid=1000 --clear-groups --inh-caps=-all /mnt/{Path.GetFileName(Program)} \"$@\"' sh";

    private readonly Process _keeper;
    private readonly List<RunningProgram> _programs = [];

    private NetworkNamespace(Process keeper) => _keeper = keeper;

    public int Keeper => _keeper.Id;

    public static async Task<NetworkNamespace> CreateAsync()
    {
        // It ends at the end of its input, however this process ends.
        var keeper = Start("unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec cat");
        (await keeper.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)).Should().Be("ready");
        return new NetworkNamespace(keeper);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var program in Enumerable.Reverse(_programs)) await program.DisposeAsync();
        _keeper.StandardInput.Close();
        await _keeper.WaitForExitAsync(CancellationToken.None);
        _keeper.Dispose();
    }

    /// <summary>Runs a command inside and returns what it printed.</summary>
    public async Task<string> RunAsync(string command, params string[] arguments)
    {
        var result = await TryAsync(command, arguments);
        result.ExitCode.Should().Be(0, "{0} {1} said: {2}", command, string.Join(' ', arguments), result.StandardError);
        return result.StandardOutput.Trim();
    }

    public async Task<BufferedCommandResult> TryAsync(string command, params string[] arguments) =>
        await Cli.Wrap("nsenter").WithArguments(["--net=" + File, command, .. arguments]).WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync(TestContext.Current.CancellationToken);

    /// <summary>Runs <c>ip</c> with words divided by spaces.</summary>
    public Task<string> IpAsync(string words) => RunAsync("ip", words.Split(' '));

    public string File => $"/proc/{_keeper.Id}/ns/net";

    /// <summary>Starts the test program inside; it ends with this object.</summary>
    public RunningProgram StartProgram(params string[] arguments) => StartProgramWithPath(null, arguments);

    /// <summary>Starts it with a directory in front of its PATH.</summary>
    public RunningProgram StartProgramWithPath(string? directory, params string[] arguments)
    {
        string[] path = directory is null ? [] : ["env", $"PATH={directory}:{Environment.GetEnvironmentVariable("PATH")}"];
        var program = new RunningProgram(Start("nsenter", ["--net=" + File, .. path, Program, .. arguments]));
        _programs.Add(program);
        return program;
    }

    /// <summary>Starts a server that greets, on TCP and UDP.</summary>
    public async Task ServeAsync(int port, string name, string address = "0.0.0.0") =>
        (await StartProgram("serve", address, port.ToString(), name).ReadLineAsync()).Should().Be("ready");

    /// <summary>Asks a server; the answer, or the name of the error, or "silence" after two seconds.</summary>
    public Task<string> AskAsync(string protocol, string address, int port, string sourceAddress = "0.0.0.0", int sourcePort = 0) =>
        RunAsync(Program, "ask", protocol, address, port.ToString(), sourceAddress, sourcePort.ToString());

    private static Process Start(string command, params string[] arguments) => Process.Start(new ProcessStartInfo(command, arguments)
    {
        UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true,
    })!;
}

/// <summary>The test program at work: it takes and gives lines.</summary>
internal sealed class RunningProgram(Process process) : IAsyncDisposable
{
    public async Task<string?> ReadLineAsync() => await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);

    /// <summary>Gives a command and returns the answer; null when the program ended instead.</summary>
    public async Task<string?> CommandAsync(string line)
    {
        await process.StandardInput.WriteLineAsync(line);
        await process.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
        return await ReadLineAsync();
    }

    /// <summary>Kills it, unless it has ended, and waits for its end.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        process.Dispose();
    }
}
