using System.Net;
using System.Net.Sockets;
using System.Text;
using CliWrap;
using CliWrap.Buffered;

namespace Ergon.Images.Tests.Registries;

/// <summary>A real registry (Debian's docker-registry) on loopback.</summary>
public sealed class RegistryProgram : IAsyncDisposable
{
    public const string User = "ergon";
    public const string Password = "pass:word with ünïcödé";

    /// <summary>What is missing, for those who wonder.</summary>
    public const string Missing = $"The program {Program} is missing (Debian: 'apt-get install docker-registry apache2-utils').";

    private const string Program = "docker-registry";
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _log = [];
    private readonly Task _running;

    private RegistryProgram(string directory, string name)
    {
        (Directory, Name) = (directory, name);
        var output = PipeTarget.ToDelegate(line => { lock (_log) _log.Add(line); });
        _running = Cli.Wrap(Program).WithArguments(["serve", Path.Combine(directory, "config.yml")])
            .WithStandardOutputPipe(output).WithStandardErrorPipe(output).WithValidation(CommandResultValidation.None)
            .ExecuteAsync(_stop.Token).Task;
    }

    /// <summary>Where its files are.</summary>
    public string Directory { get; }

    /// <summary>Host and port: the registry's part of an image reference.</summary>
    public string Name { get; }

    public static bool IsInstalled { get; } = OnPath(Program) && OnPath("htpasswd");

    /// <summary>Starts one, and waits until it listens.</summary>
    public static Task<RegistryProgram> StartAsync(bool withLogin) => StartAsync(async directory =>
    {
        if (!withLogin) return "";
        await File.WriteAllTextAsync(Path.Combine(directory, "htpasswd"), await HashAsync());
        return $"auth: {{ htpasswd: {{ realm: ergon, path: {directory}/htpasswd }} }}";
    });

    /// <summary>Starts one that wants tokens of an authority.</summary>
    public static Task<RegistryProgram> StartWithTokensAsync(string realm, string service, string issuer, string certificatePem) => StartAsync(async directory =>
    {
        await File.WriteAllTextAsync(Path.Combine(directory, "authority.pem"), certificatePem);
        return $"auth: {{ token: {{ realm: '{realm}', service: '{service}', issuer: '{issuer}', rootcertbundle: {directory}/authority.pem }} }}";
    });

    private static async Task<RegistryProgram> StartAsync(Func<string, Task<string>> authentication)
    {
        var directory = System.IO.Directory.CreateTempSubdirectory("docker-registry-").FullName;
        var port = FreePort();
        var name = $"127.0.0.1:{port}";
        await File.WriteAllTextAsync(Path.Combine(directory, "config.yml"), $$"""
            version: 0.1
            log: { level: info }
            storage: { filesystem: { rootdirectory: {{directory}}/data }, delete: { enabled: true } }
            http: { addr: {{name}} }
            {{await authentication(directory)}}
            """);
        var registry = new RegistryProgram(directory, name);
        await WaitUntilItListensAsync(port);
        return registry;
    }

    /// <summary>A client that is logged in.</summary>
    public HttpClient NewHttpClient()
    {
        var http = new HttpClient { BaseAddress = new Uri($"http://{Name}") };
        http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}")));
        return http;
    }

    /// <summary>How many lines of its log have all of the texts.</summary>
    public int CountRequests(params string[] texts)
    {
        lock (_log) return _log.Count(l => texts.All(t => l.Contains(t, StringComparison.Ordinal)));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    private static async Task<string> HashAsync() =>
        (await Cli.Wrap("htpasswd").WithArguments(["-Bbn", "-C", "4", User, Password]).ExecuteBufferedAsync()).StandardOutput.Trim() + "\n";

    private static bool OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(d => File.Exists(Path.Combine(d, program)));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task WaitUntilItListensAsync(int port)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);
        while (true)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, port, deadline.Token);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
            }
        }
    }
}
