using System.Text;
using System.Text.Json;
using CliWrap;
using CliWrap.Buffered;

namespace Ergon.Images;

/// <summary>
/// Finds the credentials of a registry: those of the options, else those of the Docker client's <c>config.json</c>
/// (<c>credHelpers</c>, <c>credsStore</c>, <c>auths</c>; https://docs.docker.com/reference/cli/docker/login/).
/// </summary>
/// <param name="given">Credentials by host name; they win.</param>
/// <param name="configDirectory">The Docker client's own directory, if it is not the usual one.</param>
internal sealed class RegistryCredentialStore(IReadOnlyDictionary<string, RegistryCredential> given, string? configDirectory)
{
    private static readonly TimeSpan HelperTimeout = TimeSpan.FromSeconds(20);

    /// <summary>The credentials, and the name under which they were found; <see langword="null"/> when there are none.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.ImageUnavailable"/> when the file or a helper fails.</exception>
    public async Task<FoundCredential?> FindAsync(string registry, CancellationToken cancellationToken)
    {
        foreach (var name in NamesOf(registry))
            if (given.TryGetValue(name, out var credential)) return new(credential, name);

        var file = Path.Combine(configDirectory ?? DefaultDirectory(), "config.json");
        if (!File.Exists(file)) return null;
        try
        {
            var config = ClientConfig.Parse(await File.ReadAllBytesAsync(file, cancellationToken));
            foreach (var name in NamesOf(registry))
            {
                if (config.HelperOf(name) is { } helper && await AskHelperAsync(helper, name, cancellationToken) is { } answer) return new(answer, name);
                if (config.CredentialOf(name) is { } stored) return new(stored, name);
            }

            return null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.ImageUnavailable, $"The registry credentials in {file} cannot be read: {e.Message} Repair the file, or remove it.", innerException: e);
        }
    }

    // Docker Hub's entry has a name of its own, and entries may be written as URLs.
    internal static IEnumerable<string> NamesOf(string registry) => registry == "docker.io"
        ? ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"]
        : [registry, $"https://{registry}", $"https://{registry}/", $"https://{registry}/v1/", $"https://{registry}/v2/", $"http://{registry}"];

    private static async Task<RegistryCredential?> AskHelperAsync(string helper, string name, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(HelperTimeout, TimeProvider.System);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var answer = await Cli.Wrap($"docker-credential-{helper}")
                .WithArguments("get")
                .WithStandardInputPipe(PipeSource.FromString(name))
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync(linked.Token);
            if (answer.ExitCode == 0) return ClientConfig.ParseHelperAnswer(Encoding.UTF8.GetBytes(answer.StandardOutput));

            // A helper that has nothing says so in these words, on either stream; an anonymous pull may still work.
            if ((answer.StandardOutput + answer.StandardError).Contains("credentials not found", StringComparison.OrdinalIgnoreCase)) return null;
            throw Failed($"it ended with {answer.ExitCode}: {(answer.StandardError + answer.StandardOutput).Trim()}", null);
        }
        catch (Exception e) when (e is not ExecutorException && !cancellationToken.IsCancellationRequested)
        {
            throw Failed(e.Message, e);
        }

        ExecutorException Failed(string why, Exception? inner) => new(
            ErrorCode.ImageUnavailable, $"The credential helper docker-credential-{helper} gave no credentials for {name}: {why} Install or repair it, or log in without it.", innerException: inner);
    }

    /// <summary>The Docker client's own directory.</summary>
    internal static string DefaultDirectory() =>
        Environment.GetEnvironmentVariable("DOCKER_CONFIG") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".docker");
}

/// <summary>Credentials, and the name of the registry under which they were found.</summary>
internal readonly record struct FoundCredential(RegistryCredential Credential, string Server);
