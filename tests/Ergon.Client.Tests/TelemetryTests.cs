using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ergon.Daemon;
using Ergon.Process;

namespace Ergon.Client.Tests;

/// <summary>What <c>ergon serve</c> sends to an OpenTelemetry collector (https://opentelemetry.io/docs/specs/otlp/#otlphttp).</summary>
public sealed class TelemetryTests : IDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("telemetry-tests-");
    private readonly HttpListener _collector = new();
    private readonly ConcurrentDictionary<string, string> _received = new(StringComparer.Ordinal);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _collector.Close();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Traces_metrics_and_the_log_go_to_the_collector_that_the_environment_names()
    {
        var address = $"http://127.0.0.1:{FreePort()}/";
        _collector.Prefixes.Add(address);
        _collector.Start();
        _ = CollectAsync();
        await using var daemon = DaemonProcess.Start(
            _directory.FullName,
            new DaemonFile { Data = Path.Combine(_directory.FullName, "data"), Executors = ["process"] },
            new Dictionary<string, string>
            {
                ["OTEL_EXPORTER_OTLP_ENDPOINT"] = address,
                ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
                ["OTEL_BLRP_SCHEDULE_DELAY"] = "100",
                ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
                ["OTEL_METRIC_EXPORT_INTERVAL"] = "100",
            });
        await using var executor = await RemoteExecutor.ConnectAsync(new RemoteExecutorOptions { Address = daemon.Address, Executor = "process" }, Token);
        var id = ExecutionId.New();
        await executor.RunAsync(
            new ExecutionRequest { JobId = JobId.Parse("telemetry"), ExecutionId = id, EngineSpec = new ProcessSpec { Cmd = ["true"], Environment = new Dictionary<string, string> { ["PASSWORD"] = "hunter2" } }.ToSpecConfig() },
            Token);

        await UntilReceivedAsync("/v1/traces", id.Value);
        await UntilReceivedAsync("/v1/metrics", "ergon");
        await UntilReceivedAsync("/v1/logs", "Listening");
        _received.Values.Should().NotContain(text => text.Contains("hunter2"), "secrets are not told");
    }

    private async Task UntilReceivedAsync(string path, string text)
    {
        while (!_received.GetValueOrDefault(path, "").Contains(text, StringComparison.OrdinalIgnoreCase)) await Task.Delay(Look, TimeProvider.System, Token);
    }

    private async Task CollectAsync()
    {
        try
        {
            while (true)
            {
                var context = await _collector.GetContextAsync();
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body, Token);
                // The texts of a message lie in it as they are.
                var text = Encoding.Latin1.GetString(body.ToArray());
                _received.AddOrUpdate(context.Request.Url!.AbsolutePath, text, (_, before) => before + text);
                context.Response.ContentType = "application/x-protobuf";
                context.Response.Close();
            }
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
