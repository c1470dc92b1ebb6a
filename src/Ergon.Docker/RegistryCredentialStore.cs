using System.Text;
using System.Text.Json;
using CliWrap;
using CliWrap.Buffered;
using Docker.DotNet.Models;

namespace Ergon.Docker;

/// <summary>
/// Finds the credentials of a registry: those of the options, else those of the Docker client's <c>config.json</c>
/// (<c>credHelpers</c>, <c>credsStore</c>, <c>auths</c>; https://docs.docker.com/reference/cli/docker/login/).
/// </summary>
internal sealed class RegistryCredentialStore(DockerOptions options)
{
    private static readonly TimeSpan HelperTimeout = TimeSpan.FromSeconds(20);

    /// <summary>The credentials; empty ones when there are none.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.ImageUnavailable"/> when the file or a helper fails.</exception>
    public async Task<AuthConfig> FindAsync(string registry, CancellationToken cancellationToken)
    {
        foreach (var name in NamesOf(registry))
            if (options.RegistryCredentials.TryGetValue(name, out var credential)) return ToAuth(credential, name);

        var file = Path.Combine(options.ConfigDirectory ?? DefaultDirectory(), "config.json");
        if (!File.Exists(file)) return new AuthConfig();
        try
        {
            var config = ClientConfig.Parse(await File.ReadAllBytesAsync(file, cancellationToken));
            foreach (var name in NamesOf(registry))
            {
                if (config.HelperOf(name) is { } helper && await AskHelperAsync(helper, name, cancellationToken) is { } answer) return ToAuth(answer, name);
                if (config.CredentialOf(name) is { } stored) return ToAuth(stored, name);
            }

            return new AuthConfig();
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

    private static AuthConfig ToAuth(RegistryCredential credential, string server) => new()
    {
        Username = credential.Username,
        Password = credential.Password,
        IdentityToken = credential.IdentityToken,
        ServerAddress = server,
    };

    /// <summary>The Docker client's own directory.</summary>
    internal static string DefaultDirectory() =>
        Environment.GetEnvironmentVariable("DOCKER_CONFIG") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".docker");
}
