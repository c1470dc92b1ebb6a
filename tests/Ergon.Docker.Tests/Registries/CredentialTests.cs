using System.Text;
using System.Text.Json;

namespace Ergon.Docker.Tests.Registries;

/// <summary>Logins, from wherever they come.</summary>
public sealed class CredentialTests(LocalRegistry registry) : DockerTests
{
    [Fact]
    public async Task Without_a_login_the_error_says_how_to_get_one()
    {
        var spec = await SpecAsync();
        var error = await RefusalAsync(ErrorCode.ImageUnavailable, spec, new DockerOptions { ConfigDirectory = NewDirectory() });
        error.Message.Should().Contain($"{registry.Name} asks for a login").And.Contain($"docker login {registry.Name}");
    }

    [Fact]
    public async Task A_wrong_password_is_refused_and_not_repeated_in_the_error()
    {
        var spec = await SpecAsync();
        var options = Options(NewDirectory(), new RegistryCredential { Username = LocalRegistry.User, Password = "not-the-password" });
        var error = await RefusalAsync(ErrorCode.ImageUnavailable, spec, options);
        error.ToString().Should().Contain("asks for a login").And.NotContain("not-the-password");
    }

    [Fact]
    public async Task The_options_log_in() =>
        (await RunAsync(await SpecAsync(), Options(NewDirectory(), LocalRegistry.Credential))).Stdout.Text.Should().Be("in\n");

    [Fact]
    public async Task The_clients_file_logs_in()
    {
        var spec = await SpecAsync();
        var encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{LocalRegistry.User}:{LocalRegistry.Password}"));
        (await RunAsync(spec, Config($$$"""{"auths":{"{{{registry.Name}}}":{"auth":"{{{encoded}}}"} } }"""))).Stdout.Text.Should().Be("in\n");
        (await RunAsync(spec, Config($$$"""{"auths":{"https://{{{registry.Name}}}/v2/":{"auth":"{{{encoded}}}"},"other.example":{} } }"""))).Stdout.Text.Should().Be("in\n");
    }

    [Fact]
    public async Task The_options_win_over_the_clients_file()
    {
        var spec = await SpecAsync();
        var wrong = Convert.ToBase64String("nobody:nothing"u8);
        var options = Config($$$"""{"auths":{"{{{registry.Name}}}":{"auth":"{{{wrong}}}"} } }""");
        await RefusalAsync(ErrorCode.ImageUnavailable, spec, options);
        (await RunAsync(spec, Options(options.ConfigDirectory!, LocalRegistry.Credential))).Stdout.Text.Should().Be("in\n");
    }

    [Theory]
    [InlineData("""{"credHelpers":{"REGISTRY":"NAME"}}""")]
    [InlineData("""{"credsStore":"NAME"}""")]
    [InlineData("""{"credsStore":"no-such-helper-anywhere","credHelpers":{"REGISTRY":"NAME"}}""")]
    public async Task A_credential_helper_logs_in(string config)
    {
        var spec = await SpecAsync();
        var secret = JsonSerializer.Serialize(LocalRegistry.Password);
        var helper = InstallHelper($$"""
            read -r server
            [ "$1" = get ] && [ "$server" = "{{registry.Name}}" ] || { echo "credentials not found in native keychain"; exit 1; }
            printf '%s' '{"ServerURL":"{{registry.Name}}","Username":"{{LocalRegistry.User}}","Secret":{{secret}}}'
            """);
        var text = config.Replace("REGISTRY", registry.Name, StringComparison.Ordinal).Replace("NAME", helper, StringComparison.Ordinal);
        (await RunAsync(spec, Config(text))).Stdout.Text.Should().Be("in\n");
    }

    [Fact]
    public async Task A_helper_that_has_nothing_leaves_the_pull_anonymous()
    {
        var helper = InstallHelper("echo 'credentials not found in native keychain'; exit 1");
        var error = await RefusalAsync(ErrorCode.ImageUnavailable, await SpecAsync(), Config($$"""{"credsStore":"{{helper}}"}"""));
        error.Message.Should().Contain("asks for a login");
    }

    [Fact]
    public async Task A_helper_that_fails_is_named_with_what_it_said()
    {
        var helper = InstallHelper("echo 'the keychain is locked' >&2; exit 3");
        var error = await RefusalAsync(ErrorCode.ImageUnavailable, await SpecAsync(), Config($$"""{"credsStore":"{{helper}}"}"""));
        error.Message.Should().Contain($"docker-credential-{helper}").And.Contain("the keychain is locked");
        var missing = await RefusalAsync(ErrorCode.ImageUnavailable, await SpecAsync(), Config("""{"credsStore":"no-such-helper-anywhere"}"""));
        missing.Message.Should().Contain("docker-credential-no-such-helper-anywhere");
    }

    [Fact]
    public async Task A_file_that_is_broken_is_named()
    {
        var options = Config("""{"auths": 5""");
        var error = await RefusalAsync(ErrorCode.ImageUnavailable, await SpecAsync(), options);
        error.Message.Should().Contain(Path.Combine(options.ConfigDirectory!, "config.json"));
    }

    private async Task<DockerSpec> SpecAsync()
    {
        registry.Required();
        var image = await registry.PushAsync("busybox:latest", $"login/{Guid.NewGuid():n}", Token);
        return Shell("echo in") with { Image = TrackImage(image), PullPolicy = PullPolicy.Always };
    }

    private DockerOptions Options(string directory, RegistryCredential credential) => new()
    {
        ConfigDirectory = directory,
        RegistryCredentials = new Dictionary<string, RegistryCredential> { [registry.Name] = credential },
    };

    private DockerOptions Config(string json)
    {
        var directory = NewDirectory();
        File.WriteAllText(Path.Combine(directory, "config.json"), json);
        return new DockerOptions { ConfigDirectory = directory };
    }

    // Helpers are found on the path of this process; a name of its own keeps tests apart.
    private string InstallHelper(string script)
    {
        var (directory, name) = (NewDirectory(), $"test-{Guid.NewGuid():n}");
        var path = Path.Combine(directory, $"docker-credential-{name}");
        File.WriteAllText(path, "#!/bin/sh\n" + script + "\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        SearchPath.Prepend(directory);
        return name;
    }

    private static class SearchPath
    {
        private static readonly Lock Gate = new();

        public static void Prepend(string directory)
        {
            lock (Gate) Environment.SetEnvironmentVariable("PATH", directory + Path.PathSeparator + Environment.GetEnvironmentVariable("PATH"));
        }
    }
}
