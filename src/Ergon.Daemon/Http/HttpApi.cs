using Ergon.Daemon.Page;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon.Http;

/// <summary>The contract over HTTP and JSON: the same names, the same errors.</summary>
internal sealed class HttpApi(Operations operations, ExecutionEndpoints executions, StreamEndpoints streams, AdminEndpoints admin, ILogger logger)
{
    /// <summary>Every route of the interface, with its method; <c>openapi.json</c> describes the same.</summary>
    public IReadOnlyList<(string Method, string Path, Func<HttpCall, Task> Act)> Routes =>
    [
        ("GET", "/livez", WriteLivezAsync),
        ("GET", "/readyz", WriteReadyzAsync),
        ("GET", "/readyz/{name}", WriteExecutorReadyzAsync),
        ("GET", "/openapi/v1.json", call => WriteResourceAsync(call, "openapi.json", "application/json")),
        ("GET", "/reference", call => WriteResourceAsync(call, "reference.html", "text/html; charset=utf-8")),
        ("POST", "/v1/executions", executions.StartAsync),
        ("GET", "/v1/executions", executions.ListAsync),
        ("GET", "/v1/executions/{id}", executions.GetAsync),
        ("DELETE", "/v1/executions/{id}", executions.RemoveAsync),
        ("GET", "/v1/executions/{id}/result", executions.WaitAsync),
        ("POST", "/v1/executions/{id}/cancel", executions.CancelAsync),
        ("POST", "/v1/executions/{id}/pause", executions.PauseAsync),
        ("POST", "/v1/executions/{id}/resume", executions.ResumeAsync),
        ("POST", "/v1/executions/{id}/signal", executions.SignalAsync),
        ("POST", "/v1/executions/{id}/exec", executions.ExecAsync),
        ("GET", "/v1/executions/{id}/logs", streams.LogsAsync),
        ("GET", "/v1/executions/{id}/stats", streams.StatsAsync),
        ("GET", "/v1/events", streams.EventsAsync),
        ("GET", "/v1/caller", WriteCallerAsync),
        ("GET", "/v1/executors", executions.ListExecutorsAsync),
        ("GET", "/v1/executors/{name}", executions.FingerprintAsync),
        ("POST", "/v1/cleanup", admin.CleanupAsync),
        ("POST", "/v1/reload", admin.ReloadAsync),
        ("GET", "/v1/drain", admin.GetDrainAsync),
        ("POST", "/v1/drain", admin.DrainAsync),
        ("DELETE", "/v1/drain", admin.UndoDrainAsync),
    ];

    public void Map(IEndpointRouteBuilder endpoints)
    {
        foreach (var (method, path, act) in Routes) endpoints.MapMethods(path, [method], context => RunAsync(context, act));
        OperatorPage.Map(endpoints);
        endpoints.MapFallback(context => Problem.WriteAsync(
            context, StatusCodes.Status404NotFound, "not_found", $"There is nothing at {context.Request.Method} {context.Request.Path}; /openapi/v1.json describes what there is."));
    }

    private async Task RunAsync(HttpContext context, Func<HttpCall, Task> act)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, operations.Stopping);
        try
        {
            await act(new HttpCall(context, ending.Token));
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to tell.
        }
        catch (Exception e)
        {
            await TellAsync(context, Translate(e, context));
        }
    }

    private ExecutorException Translate(Exception error, HttpContext context)
    {
        if (error is ExecutorException known) return known;
        if (error is BadHttpRequestException bad) return new ExecutorException(ErrorCode.InvalidRequest, bad.Message, innerException: bad);
        if (operations.Stopping.IsCancellationRequested && error is OperationCanceledException or ObjectDisposedException)
            return new ExecutorException(ErrorCode.ExecutorClosed, "The daemon is being stopped. Ask the next one.", innerException: error);
        DaemonLog.CallFailed(logger, $"{context.Request.Method} {context.Request.Path}", error);
        return new ExecutorException(ErrorCode.BackendFailed, $"The daemon failed: {error.Message} Its log says more.", innerException: error);
    }

    // A stream that has begun has sent its status: its error is its last event.
    private static async Task TellAsync(HttpContext context, ExecutorException error)
    {
        if (!context.Response.HasStarted)
        {
            context.Response.Clear();
            await Problem.WriteAsync(context, error);
        }
        else if (context.Response.ContentType == "text/event-stream")
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            var stream = EventStream.Continue(new HttpCall(context, deadline.Token));
            await stream.WriteAsync("error", null, Problem.Serialize(Problem.StatusOf(error.Code), Problem.NameOf(error.Code), error.Message, error));
        }
        else
        {
            context.Abort();
        }
    }

    private static Task WriteLivezAsync(HttpCall call) => call.WriteAsync("{\"status\":\"alive\"}"u8.ToArray());

    private async Task WriteReadyzAsync(HttpCall call) => await WriteReadinessAsync(call, await operations.CheckReadinessAsync());

    // Everybody may ask: what is wrong is told to those who may look at the executors.
    private async Task WriteExecutorReadyzAsync(HttpCall call)
    {
        var name = call.Context.GetRouteValue("name") as string ?? "";
        if (operations.Executors.Find(name) is not { } executor) await Problem.WriteAsync(call.Context, StatusCodes.Status404NotFound, "not_found", $"This daemon has no executor '{Json.Quoted.Clip(name)}'.");
        else await WriteReadinessAsync(call, (await executor.Health.CheckAsync()).Serving ? Readiness.Ready : Readiness.NotReady);
    }

    private static Task WriteReadinessAsync(HttpCall call, Readiness readiness) => readiness switch
    {
        Readiness.Ready => call.WriteAsync("{\"status\":\"ready\"}"u8.ToArray()),
        Readiness.Draining => call.WriteAsync("{\"status\":\"draining\"}"u8.ToArray(), StatusCodes.Status503ServiceUnavailable),
        _ => call.WriteAsync("{\"status\":\"not ready\"}"u8.ToArray(), StatusCodes.Status503ServiceUnavailable),
    };

    // So that a client need not try what it may not do.
    private static Task WriteCallerAsync(HttpCall call) => call.WriteAsync(Payloads.Caller(call.Caller));

    private static async Task WriteResourceAsync(HttpCall call, string name, string contentType)
    {
        await using var resource = typeof(HttpApi).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"{name} was not built in.");
        using var content = new MemoryStream();
        await resource.CopyToAsync(content, call.Token);
        await call.WriteAsync(content.ToArray(), StatusCodes.Status200OK, contentType);
    }
}
