using System.Net;

namespace Ergon.Images.Registry;

/// <summary>A registry, or who gives its tokens, did not do what it was asked to.</summary>
internal sealed class RegistryException(string message, HttpStatusCode? status, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What it answered; <see langword="null"/> when there was no answer.</summary>
    public HttpStatusCode? Status { get; } = status;

    /// <summary>Whether the same request may succeed in a moment.</summary>
    public bool IsTransient => Status is null or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError and not HttpStatusCode.NotImplemented;

    /// <summary>How long the registry asks to wait, if it does.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>What to tell the user.</summary>
    /// <param name="reference">The image.</param>
    /// <param name="user">Who was logged in; <see langword="null"/>: nobody.</param>
    public ExecutorException Explain(ImageReference reference, string? user)
    {
        var registry = reference.Registry;
        var login = $"Log in ('docker login {registry}'), or give credentials in the options";
        var why = Status switch
        {
            null => $"the registry {registry} cannot be reached. Check its name, the network and the proxy",
            HttpStatusCode.Unauthorized when user is null => $"the registry {registry} asks for a login, or does not have it. {login}",
            HttpStatusCode.Unauthorized => $"the registry {registry} refuses the login of '{user}', or does not have it. {login}",
            HttpStatusCode.Forbidden => $"the registry {registry} denies access to {(user is null ? "those who are not logged in" : $"'{user}'")}. {login}",
            HttpStatusCode.NotFound => $"the registry {registry} does not have it. Check name and tag",
            HttpStatusCode.TooManyRequests => $"the registry {registry} takes no more requests for now. Try again later, or log in ('docker login {registry}')",
            _ => $"the registry {registry} failed. Try again later",
        };
        return new ExecutorException(ErrorCode.ImageUnavailable, $"The image {reference} cannot be had: {why}. ({Message})", innerException: this);
    }
}
