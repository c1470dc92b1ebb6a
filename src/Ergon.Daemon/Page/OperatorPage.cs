using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Ergon.Daemon.Page;

/// <summary>
/// The page for operators, as it was built in. Anybody may load it: it shows nothing by itself, and what it asks the daemon for is asked with the
/// operator's own rights.
/// </summary>
internal static class OperatorPage
{
    // Nothing of anybody else's is loaded, and nobody else's page may have this one inside it.
    private const string Policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    private static readonly (string Path, string Resource, string ContentType)[] Files =
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/page.css", "page.css", "text/css; charset=utf-8"),
        ("/page.js", "page.js", "text/javascript; charset=utf-8"),
        ("/detail.js", "detail.js", "text/javascript; charset=utf-8"),
        ("/client.js", "client.js", "text/javascript; charset=utf-8"),
    ];

    /// <summary>Whether a path is one of the page's files.</summary>
    public static bool Has(string path) => Array.Exists(Files, file => file.Path == path);

    public static void Map(IEndpointRouteBuilder endpoints)
    {
        foreach (var (path, resource, contentType) in Files) endpoints.MapMethods(path, ["GET"], context => WriteAsync(context, resource, contentType));
    }

    private static async Task WriteAsync(HttpContext context, string resource, string contentType)
    {
        await using var content = typeof(OperatorPage).Assembly.GetManifestResourceStream($"page/{resource}") ?? throw new InvalidOperationException($"{resource} was not built in.");
        context.Response.ContentType = contentType;
        context.Response.ContentLength = content.Length;
        context.Response.Headers.ContentSecurityPolicy = Policy;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers["Referrer-Policy"] = "no-referrer";
        context.Response.Headers.CacheControl = "no-cache";
        await content.CopyToAsync(context.Response.Body, context.RequestAborted);
    }
}
