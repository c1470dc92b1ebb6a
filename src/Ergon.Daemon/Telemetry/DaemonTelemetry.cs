using System.Collections;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Ergon.Daemon.Telemetry;

/// <summary>
/// Gives the daemon's traces, metrics and log to whoever collects them: metrics are always to be had at <c>/metrics</c>, as Prometheus reads them; all are
/// sent by OTLP where the environment names a collector (OTEL_EXPORTER_OTLP_ENDPOINT and the other variables of its specification).
/// </summary>
internal static class DaemonTelemetry
{
    public const string MetricsPath = "/metrics";

    private const string Service = "ergon";
    private const string Variables = "OTEL_";
    private const string Collector = Variables + "EXPORTER_OTLP_ENDPOINT";

    // A metric's room is taken for all its series at once: 140 KB with the library's own limit of 2000.
    private const int SeriesPerMetric = 200;

    private static readonly string[] Meters = ["Ergon", "System.Runtime", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel"];

    private static bool HasCollector => Environment.GetEnvironmentVariable(Collector) is { Length: > 0 };

    public static void Add(WebApplicationBuilder builder)
    {
        // An empty builder knows no variables, and nothing but OpenTelemetry is to be set by any.
        builder.Configuration.AddInMemoryCollection(
            Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
                .Select(variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value))
                .Where(variable => variable.Key.StartsWith(Variables, StringComparison.Ordinal)));
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(Service))
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(Meters).AddView("*", new MetricStreamConfiguration { CardinalityLimit = SeriesPerMetric }).AddPrometheusExporter();
                if (HasCollector) metrics.AddOtlpExporter();
            });
        // The calls too: an execution's trace is recorded if that of the call which started it is.
        if (HasCollector) telemetry.WithTracing(traces => traces.AddSource("Microsoft.AspNetCore", "Ergon", "Ergon.MicroVm").AddOtlpExporter());
    }

    /// <summary>Sends the daemon's log as well as writing it where it is written.</summary>
    public static void AddLog(ILoggingBuilder logging)
    {
        if (!HasCollector) return;
        logging.AddOpenTelemetry(log =>
        {
            log.IncludeFormattedMessage = true;
            log.SetResourceBuilder(ResourceBuilder.CreateDefault().AddService(Service)).AddOtlpExporter();
        });
    }

    public static void Map(WebApplication application) => application.MapPrometheusScrapingEndpoint(MetricsPath);
}
