using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Ergon.Daemon.Telemetry;

/// <summary>
/// Gives the daemon's traces and metrics to whoever collects them: metrics are always to be had at <c>/metrics</c>, as Prometheus reads them; both are
/// sent by OTLP where the environment names a collector (OTEL_EXPORTER_OTLP_ENDPOINT and the other variables of its specification).
/// </summary>
internal static class DaemonTelemetry
{
    public const string MetricsPath = "/metrics";

    private const string Collector = "OTEL_EXPORTER_OTLP_ENDPOINT";

    // A metric's room is taken for all its series at once: 140 KB with the library's own limit of 2000.
    private const int SeriesPerMetric = 200;

    private static readonly string[] Meters = ["Ergon", "System.Runtime", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel"];

    private static bool HasCollector => Environment.GetEnvironmentVariable(Collector) is { Length: > 0 };

    public static void Add(IServiceCollection services)
    {
        var telemetry = services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("ergon"))
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(Meters).AddView("*", new MetricStreamConfiguration { CardinalityLimit = SeriesPerMetric }).AddPrometheusExporter();
                if (HasCollector) metrics.AddOtlpExporter();
            });
        if (HasCollector) telemetry.WithTracing(traces => traces.AddSource("Ergon", "Ergon.MicroVm").AddOtlpExporter());
    }

    public static void Map(WebApplication application) => application.MapPrometheusScrapingEndpoint(MetricsPath);
}
