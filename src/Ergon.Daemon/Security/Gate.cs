using System.Globalization;
using Ergon.Daemon.Http;
using Ergon.Daemon.Page;
using Ergon.Daemon.Settings;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Ergon.Daemon.Security;

/// <summary>Lets a call through when its caller is known, may do that, and does not call too often. Refusals are taken down.</summary>
internal sealed class Gate(RequestDelegate next, LiveSettings settings, AuditLog audit)
{
    private const int CallsPerSecond = 1000;
    private const int Burst = 5000;

    private readonly CallRate _rate = new(CallsPerSecond, Burst, TimeProvider.System);

    public async Task InvokeAsync(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "";
        var needed = CallScopes.Of(context.Request.Method, path);
        var caller = await IdentifyAsync(context);
        context.Features.Set(caller ?? Caller.Unknown);
        if (needed == Scopes.None) await next(context);
        else if (caller is null) await RefuseAsync(context, Caller.Unknown, StatusCodes.Status401Unauthorized, "unauthenticated", "Nobody is known by what this call brings. Bring one of the daemon's tokens (Authorization: Bearer ...) or a client certificate.");
        else if ((caller.Scopes & needed) != needed) await RefuseAsync(context, caller, StatusCodes.Status403Forbidden, "permission_denied", $"'{caller.Name}' may not do that: it takes the scope '{needed.ToString().ToLowerInvariant()}'.");
        else if (IsLocal(caller) || _rate.TryTake(caller.Name)) await next(context);
        else await RefuseAsync(context, caller, StatusCodes.Status429TooManyRequests, "too_many_requests", string.Create(CultureInfo.InvariantCulture, $"'{caller.Name}' calls more often than {CallsPerSecond} times a second. Call less often."));
    }

    // Whoever owns the socket owns the daemon.
    private static bool IsLocal(Caller caller) => caller.Name.StartsWith("uid:", StringComparison.Ordinal);

    private async ValueTask<Caller?> IdentifyAsync(HttpContext context)
    {
        if (context.Features.Get<Caller>() is { } known) return known;
        if (settings.Current.Callers is not { } directory) return null;
        var header = context.Request.Headers.Authorization.ToString();
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) return directory.OfToken(header["Bearer ".Length..].Trim());
        var certificate = context.Features.Get<ITlsConnectionFeature>() is { } tls ? await tls.GetClientCertificateAsync(context.RequestAborted) : null;
        return certificate is null ? null : directory.OfCertificate(certificate);
    }

    private async Task RefuseAsync(HttpContext context, Caller caller, int status, string code, string message)
    {
        await audit.RecordAsync(caller, $"{context.Request.Method} {context.Request.Path}", context.Connection.RemoteIpAddress?.ToString(), code);
        if (!context.Request.Headers.ContentType.ToString().StartsWith("application/grpc", StringComparison.Ordinal))
        {
            if (status == StatusCodes.Status401Unauthorized) context.Response.Headers.WWWAuthenticate = "Bearer";
            await Problem.WriteAsync(context, status, code, message);
            return;
        }

        context.Response.ContentType = "application/grpc";
        context.Response.Headers["grpc-status"] = status switch { StatusCodes.Status401Unauthorized => "16", StatusCodes.Status403Forbidden => "7", _ => "8" };
        context.Response.Headers["grpc-message"] = Uri.EscapeDataString(message);
    }
}

/// <summary>What a call takes.</summary>
internal static class CallScopes
{
    private const string Rpc = "/ergon.v1.ExecutorService/";

    /// <summary>What a call takes. Routes are found whatever the case of their letters and with a slash at the end: so are they here.</summary>
    public static Scopes Of(string method, string path)
    {
        if (path.Length > 1 && path.EndsWith('/')) path = path[..^1];
        if (Begins(path, Rpc)) return OfRpc(path.AsSpan(Rpc.Length));
        if (path is "/livez" or "/readyz" || OperatorPage.Has(path) || Begins(path, "/readyz/") || Begins(path, "/grpc.health.v1.Health/")) return Scopes.None;
        if (Begins(path, "/grpc.reflection.") || HttpMethods.IsGet(method) || HttpMethods.IsHead(method)) return Scopes.Read;
        return Begins(path, "/v1/executions") ? Scopes.Run : Scopes.Admin;
    }

    private static bool Begins(string path, string with) => path.StartsWith(with, StringComparison.OrdinalIgnoreCase);

    // A method that is not named here changes something, for all that is known.
    private static Scopes OfRpc(ReadOnlySpan<char> method) => method switch
    {
        "Wait" or "GetLogStream" or "GetStatus" or "WaitForStatus" or "List" or "GetStats" or "Watch" or "Fingerprint" or "ListExecutors" or "GetDrain" => Scopes.Read,
        "Start" or "Run" or "Cancel" or "Pause" or "Resume" or "Signal" or "Exec" or "Remove" => Scopes.Run,
        _ => Scopes.Admin,
    };
}
