using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon.Tests.Service;

/// <summary>A daemon in this process, over local processes, and a plain HTTP client of its socket.</summary>
internal sealed class RunningDaemon : IAsyncDisposable
{
    private readonly string _directory;
    private readonly DaemonOptions _options;

    private RunningDaemon(string directory, DaemonOptions options, ErgonDaemon daemon)
    {
        (_directory, _options, Daemon) = (directory, options, daemon);
        Http = new HttpClient(new SocketsHttpHandler { ConnectCallback = (_, token) => ConnectAsync(token) }) { BaseAddress = new Uri("http://daemon") };
    }

    public ErgonDaemon Daemon { get; private set; }

    public HttpClient Http { get; }

    public string Socket => Path.Combine(_directory, "ergon.sock");

    public string AuditLog => Path.Combine(_directory, "data", "audit.log");

    public static async Task<RunningDaemon> StartAsync(Func<DaemonOptions, DaemonOptions>? change = null, string? directory = null, ILoggerFactory? loggerFactory = null)
    {
        directory ??= Directory.CreateTempSubdirectory("daemon-tests-").FullName;
        var options = new DaemonOptions
        {
            SocketPath = Path.Combine(directory, "ergon.sock"),
            DataDirectory = Path.Combine(directory, "data"),
            Executors = ["process"],
            OnShutdown = DisposeBehavior.Cancel,
        };
        if (change is not null) options = change(options);
        return new RunningDaemon(directory, options, await ErgonDaemon.StartAsync(options, loggerFactory, cancellationToken: TestContext.Current.CancellationToken));
    }

    /// <summary>A channel for gRPC over its socket.</summary>
    public GrpcChannel Channel() => GrpcChannel.ForAddress(
        "http://daemon", new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler { ConnectCallback = (_, token) => ConnectAsync(token) }, DisposeHttpClient = true });

    /// <summary>Stops it, and starts it again.</summary>
    public async Task RestartAsync()
    {
        await Daemon.DisposeAsync();
        Daemon = await ErgonDaemon.StartAsync(_options, cancellationToken: TestContext.Current.CancellationToken);
    }

    /// <summary>Changes the settings that it was started with.</summary>
    public SettingsChange Change(Func<DaemonOptions, DaemonOptions> change) => Daemon.Change(change(_options));

    /// <summary>Waits for what nothing tells of.</summary>
    public async Task EventuallyAsync(Func<Task<bool>> holds)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));
        while (!await holds()) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
    }

    /// <summary>The JSON of a request that runs a shell script.</summary>
    public static string Script(string id, string script, string rest = "") =>
        $$$"""{"job_id":"http","execution_id":"{{{id}}}","engine_spec":{"type":"process","params":{"cmd":["/bin/sh","-c",{{{JsonSerializer.Serialize(script)}}}]}}{{{rest}}}}""";

    public async Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await Http.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        using var document = text.Length == 0 ? null : JsonDocument.Parse(text);
        return (response.StatusCode, document?.RootElement.Clone() ?? default);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Daemon.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private async ValueTask<Stream> ConnectAsync(CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Socket), cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }
}
