using Ergon.Daemon;
using Ergon.Daemon.CrashHost;
using Ergon.Daemon.Tests.Crashing;
using Ergon.Process;
using Ergon.Process.Tests;

namespace Ergon.Client.Tests.Crashing;

/// <summary>An <c>ergon serve</c> that is to be killed, with one executor and its own data.</summary>
internal sealed record ServeCase(DaemonProcess Daemon, string Executor, string ExecutorId, string Data, Uri? Endpoint) : IAsyncDisposable
{
    private const string DockerVariable = "ERGON_TEST_DOCKER_HOST";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public string Log => Path.Combine(Data, "executions.db-wal");

    public long LogBytes => new FileInfo(Log).Length;

    public RemoteExecutor Connect(TimeSpan reconnectTimeout) =>
        new(new RemoteExecutorOptions { Address = Daemon.Address, Executor = Executor, ReconnectTimeout = reconnectTimeout });

    /// <summary>Starts one below a directory.</summary>
    public static ServeCase Start(DirectoryInfo parent, string executor)
    {
        var endpoint = Environment.GetEnvironmentVariable(DockerVariable) is { Length: > 0 } given ? new Uri(given) : null;
        Assert.SkipWhen(executor == "docker" && endpoint is null, $"There is no Docker Engine: {DockerVariable} is not set.");
        var directory = parent.CreateSubdirectory(Guid.NewGuid().ToString("n")[..8]).FullName;
        var id = $"serve-crash-{Guid.NewGuid():n}";
        var daemon = DaemonProcess.Start(directory, new DaemonFile
        {
            Data = Path.Combine(directory, "data"),
            Executors = [executor],
            ExecutorIds = new Dictionary<string, string> { [executor] = id },
            Docker = new DockerFile { Host = endpoint },
        });
        return new ServeCase(daemon, executor, id, Path.Combine(directory, "data"), endpoint);
    }

    /// <summary>A local process that runs a script.</summary>
    public static ExecutionRequest Processes(string id, string script) => new()
    {
        JobId = JobId.Parse("crashing"),
        ExecutionId = ExecutionId.Parse(id),
        EngineSpec = new ProcessSpec { Cmd = ["/bin/sh", "-c", script] }.ToSpecConfig(),
        RequestKey = id,
    };

    public async Task ReadyAsync()
    {
        await using var client = Connect(TimeSpan.FromSeconds(30));
        Assert.SkipUnless((await client.FingerprintAsync(Token)).Capabilities.Recovery, "Jobs end with the daemon here.");
    }

    public async Task CheckAsync(IReadOnlyCollection<string> told, string because)
    {
        await using var client = Connect(TimeSpan.FromSeconds(30));
        await new Acknowledged(client, told, because).CheckAsync(Token);
        await client.CleanupAsync(Token);
        (await client.ListAsync(null, Token)).Should().BeEmpty(because);
        Directory.GetDirectories(Path.Combine(Data, ExecutorId)).Should().BeEmpty(because);
        if (Executor == "process") HostView.Leftovers([ExecutorId]).Should().BeEmpty(because);
        else (await Containers.ListAsync(Endpoint!, ExecutorId)).Should().BeEmpty(because);
    }

    public ValueTask DisposeAsync() => Daemon.DisposeAsync();
}
