using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Ergon.Images;

namespace Ergon.Docker.Api;

/// <summary>Where this machine's Docker client finds its Engine: <c>DOCKER_HOST</c>, else its context, else the usual place.</summary>
internal static class DockerContext
{
    // What the client calls the place that no context names.
    private const string Default = "default";

    /// <summary>The Engine's address.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>: what names it cannot be read.</exception>
    public static Uri FindEndpoint()
    {
        try
        {
            if (Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } host) return new Uri(host);
            if (Name() is { } name) return new Uri(HostOf(name));
            return new Uri(OperatingSystem.IsWindows() ? "npipe://./pipe/docker_engine" : "unix:///var/run/docker.sock");
        }
        catch (Exception e) when (e is UriFormatException or IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new ExecutorException(
                ErrorCode.BackendUnavailable,
                $"The Docker endpoint cannot be found: {e.Message} Set DOCKER_HOST, or repair the Docker context ('docker context ls').",
                innerException: e);
        }
    }

    /// <summary>The directory with the certificates of the context; <see langword="null"/> when it has none, or does not count.</summary>
    public static string? FindCertificates()
    {
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("DOCKER_HOST")) || Name() is not { } name) return null;
        var directory = Path.Combine(ClientDirectory(), "contexts", "tls", DirectoryNameOf(name), "docker");
        return File.Exists(Path.Combine(directory, "cert.pem")) ? directory : null;
    }

    /// <summary>The Docker client's own directory.</summary>
    public static string ClientDirectory() => RegistryCredentialStore.DefaultDirectory();

    private static string? Name()
    {
        var name = Environment.GetEnvironmentVariable("DOCKER_CONTEXT") is { Length: > 0 } named ? named : ClientConfig.CurrentContext(ClientDirectory());
        return name is null or "" or Default ? null : name;
    }

    private static string HostOf(string name)
    {
        var file = Path.Combine(ClientDirectory(), "contexts", "meta", DirectoryNameOf(name), "meta.json");
        if (!File.Exists(file)) throw new FileNotFoundException($"the Docker context '{name}' has no {file}.");
        using var document = JsonDocument.Parse(File.ReadAllBytes(file));
        return document.RootElement.GetProperty("Endpoints").GetProperty("docker").GetProperty("Host").GetString() ?? throw new JsonException($"{file} names no host.");
    }

    private static string DirectoryNameOf(string name) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)));
}
