using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using CliWrap;
using CliWrap.Buffered;
using Docker.DotNet.Models;
using Ergon.Docker.Tests.Registries;

[assembly: AssemblyFixture(typeof(LocalRegistry))]

namespace Ergon.Docker.Tests.Registries;

/// <summary>A real registry (Debian's docker-registry) on loopback, that asks for a login.</summary>
public sealed class LocalRegistry : IAsyncLifetime
{
    public const string User = "ergon";
    public const string Password = "pass:word with ünïcödé";
    private const string Program = "docker-registry";

    private readonly string _directory = Directory.CreateTempSubdirectory("docker-registry-").FullName;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _log = [];
    private Task _running = Task.CompletedTask;
    private bool _started;

    /// <summary>Host and port: the registry's part of an image reference.</summary>
    public string Name { get; private set; } = "";

    /// <summary>A login that works.</summary>
    public static RegistryCredential Credential => new() { Username = User, Password = Password };

    public async ValueTask InitializeAsync()
    {
        if (TestEngine.Endpoint is null || !IsInstalled()) return;
        var port = FreePort();
        Name = $"127.0.0.1:{port}";
        await File.WriteAllTextAsync(Path.Combine(_directory, "htpasswd"), await HashAsync());
        await File.WriteAllTextAsync(Path.Combine(_directory, "config.yml"), $$"""
            version: 0.1
            log: { level: info }
            storage: { filesystem: { rootdirectory: {{_directory}}/data }, delete: { enabled: true } }
            http: { addr: {{Name}} }
            auth: { htpasswd: { realm: ergon, path: {{_directory}}/htpasswd } }
            """);
        var output = PipeTarget.ToDelegate(line => { lock (_log) _log.Add(line); });
        _running = Cli.Wrap(Program).WithArguments(["serve", Path.Combine(_directory, "config.yml")])
            .WithStandardOutputPipe(output).WithStandardErrorPipe(output).WithValidation(CommandResultValidation.None)
            .ExecuteAsync(_stop.Token).Task;
        await WaitUntilItListensAsync(port);
        _started = true;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>Skips the test when there is no Engine or no registry program.</summary>
    public void Required()
    {
        TestEngine.Required();
        Assert.SkipUnless(_started, "The program docker-registry is missing (Debian: 'apt-get install docker-registry apache2-utils').");
    }

    /// <summary>Puts an image of the Engine into the registry under another name, and returns the whole reference. The Engine forgets it.</summary>
    public async Task<string> PushAsync(string image, string repository, CancellationToken cancellationToken, string tag = "latest")
    {
        using var client = TestEngine.Connect();
        var name = $"{Name}/{repository}";
        await client.Images.TagImageAsync(image, new ImageTagParameters { RepositoryName = name, Tag = tag }, cancellationToken);
        string? error = null;
        var auth = new AuthConfig { Username = User, Password = Password, ServerAddress = Name };
        await client.Images.PushImageAsync(name, new ImagePushParameters { Tag = tag }, auth, new SynchronousProgress<JSONMessage>(m => error ??= m.Error?.Message), cancellationToken);
        Assert.Null(error);
        await client.Images.DeleteImageAsync($"{name}:{tag}", new ImageDeleteParameters { Force = true }, cancellationToken);
        return $"{name}:{tag}";
    }

    /// <summary>The digest of a tag.</summary>
    public async Task<string> DigestAsync(string repository, CancellationToken cancellationToken, string tag = "latest")
    {
        using var http = NewHttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Head, $"/v2/{repository}/manifests/{tag}");
        request.Headers.Accept.ParseAdd("application/vnd.docker.distribution.manifest.v2+json");
        using var answer = await http.SendAsync(request, cancellationToken);
        answer.EnsureSuccessStatusCode();
        return answer.Headers.GetValues("Docker-Content-Digest").Single();
    }

    /// <summary>Adds a tag that lists the image of another tag for one platform only.</summary>
    public async Task<string> PutListAsync(string repository, string tag, string architecture, CancellationToken cancellationToken)
    {
        const string listType = "application/vnd.docker.distribution.manifest.list.v2+json";
        const string imageType = "application/vnd.docker.distribution.manifest.v2+json";
        using var http = NewHttpClient();
        var digest = await DigestAsync(repository, cancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v2/{repository}/manifests/{digest}");
        request.Headers.Accept.ParseAdd(imageType);
        using var manifest = await http.SendAsync(request, cancellationToken);
        var size = (await manifest.Content.ReadAsByteArrayAsync(cancellationToken)).Length;
        var list = $$$"""
            {"schemaVersion":2,"mediaType":"{{{listType}}}","manifests":[
              {"mediaType":"{{{imageType}}}","digest":{{{JsonSerializer.Serialize(digest)}}},"size":{{{size}}},"platform":{"os":"linux","architecture":"{{{architecture}}}"}}]}
            """;
        using var content = new StringContent(list, Encoding.UTF8, new MediaTypeHeaderValue(listType));
        using var put = await http.PutAsync($"/v2/{repository}/manifests/{tag}", content, cancellationToken);
        put.EnsureSuccessStatusCode();
        return $"{Name}/{repository}:{tag}";
    }

    /// <summary>How often a manifest of the repository was asked for.</summary>
    public int CountManifestRequests(string repository)
    {
        lock (_log) return _log.Count(l => l.Contains($"/v2/{repository}/manifests/", StringComparison.Ordinal) && l.Contains("\"HEAD ", StringComparison.Ordinal));
    }

    private HttpClient NewHttpClient()
    {
        var http = new HttpClient { BaseAddress = new Uri($"http://{Name}") };
        http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}")));
        return http;
    }

    private static async Task<string> HashAsync() =>
        (await Cli.Wrap("htpasswd").WithArguments(["-Bbn", "-C", "4", User, Password]).ExecuteBufferedAsync()).StandardOutput.Trim() + "\n";

    private static bool IsInstalled() => OnPath(Program) && OnPath("htpasswd");

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
