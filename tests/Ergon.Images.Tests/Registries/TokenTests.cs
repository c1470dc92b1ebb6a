using System.Net.Http.Headers;
using System.Text.Json;
using Ergon.Images.Registry;
using Ergon.Images.Store;

namespace Ergon.Images.Tests.Registries;

/// <summary>Registries that want a token of an authority, as the large public ones do.</summary>
public sealed class TokenTests(LocalRegistries registries) : ImageTests
{
    [Fact]
    public async Task A_token_is_had_with_a_password_or_an_identity_token_and_used_again()
    {
        await using var authority = new TokenServer();
        await using var registry = await StartAsync(authority);
        var (reference, image) = await PushAsync(registry, authority);
        var error = await RefusalAsync(reference);
        error.Message.Should().Contain("asks for a login");
        error = await RefusalAsync(reference, store: StoreFor(registry, new() { Username = RegistryProgram.User, Password = "not-the-password" }));
        error.ToString().Should().Contain("refuses the login").And.Contain("incorrect username or password").And.NotContain("not-the-password");
        authority.Requests.Clear();
        using var lease = await GetAsync(reference, store: StoreFor(registry, new() { Username = RegistryProgram.User, Password = RegistryProgram.Password }));
        lease.Digest.Should().Be(image.Digest);
        authority.Requests.Should().ContainSingle("one token is enough for manifest, configuration and layers").Which.Should().StartWith("GET ?service=the%20registry&scope=repository%3Atokens%2Fa%3Apull");
        authority.Requests.Clear();
        using var other = await GetAsync(reference, PullPolicy.Always, store: StoreFor(registry, new() { IdentityToken = "the-identity" }));
        authority.Requests.Should().ContainSingle().Which.Should().StartWith("POST ").And.Contain("grant_type=refresh_token").And.Contain("refresh_token=the-identity");
    }

    [Fact]
    public async Task A_registry_that_fails_for_a_moment_is_asked_again_and_redirects_are_followed()
    {
        var image = new TestImage(new Layer().File("a", Guid.NewGuid().ToString()));
        var reference = await registries.Open.PushAsync(image, "flaky/a");
        await using var flaky = new FlakyGateway(registries.Open.Name, failures: 2);
        using var lease = await GetAsync(reference.Replace(registries.Open.Name, flaky.Name, StringComparison.Ordinal));
        lease.Digest.Should().Be(image.Digest);
        await using var dead = new FlakyGateway(registries.Open.Name, failures: int.MaxValue);
        var error = await RefusalAsync(reference.Replace(registries.Open.Name, dead.Name, StringComparison.Ordinal), store: NewStore(Options with { Directory = Path.Combine(Scratch, "other") }));
        error.Message.Should().Contain("failed. Try again later").And.Contain("503");
        dead.Requests.Should().Be(4);
    }

    [Theory]
    [InlineData("""Bearer realm="https://a/t",service="b c",scope="x:y:pull,push" """, "Bearer", "https://a/t", "b c", "x:y:pull,push")]
    [InlineData("""Bearer realm=https://a/t , service=b""", "Bearer", "https://a/t", "b", null)]
    [InlineData("""Bearer realm="a \" b",""", "Bearer", "a \" b", null, null)]
    [InlineData("""Basic realm="x""", "Basic", "x", null, null)]
    [InlineData("Bearer", "Bearer", null, null, null)]
    public void Challenges_are_read(string header, string scheme, string? realm, string? service, string? scope)
    {
        var space = header.IndexOf(' ', StringComparison.Ordinal);
        var value = space < 0 ? new AuthenticationHeaderValue(header) : new AuthenticationHeaderValue(header[..space], header[(space + 1)..]);
        var challenge = Challenge.Choose([new AuthenticationHeaderValue("Negotiate"), value])!;
        challenge.Scheme.Should().Be(scheme);
        new[] { "realm", "service", "scope" }.Select(challenge.Parameters.GetValueOrDefault).Should().Equal(realm, service, scope);
        Challenge.Choose([new AuthenticationHeaderValue("Negotiate")]).Should().BeNull();
    }

    private static Task<RegistryProgram> StartAsync(TokenServer authority)
    {
        Assert.SkipUnless(RegistryProgram.IsInstalled, RegistryProgram.Missing);
        return RegistryProgram.StartWithTokensAsync(authority.Realm, TokenServer.Service, TokenServer.Issuer, authority.CertificatePem);
    }

    private async Task<(string Reference, TestImage Image)> PushAsync(RegistryProgram registry, TokenServer authority)
    {
        var image = new TestImage(new Layer().File("a", Guid.NewGuid().ToString()), new Layer().File("b"));
        using var http = registry.NewHttpClient();
        var token = await http.GetStringAsync(new Uri($"{authority.Realm}?service=x&scope=repository:tokens/a:pull,push"), Token);
        var bearer = new AuthenticationHeaderValue("Bearer", JsonDocument.Parse(token).RootElement.GetProperty("token").GetString());
        return (await registry.PushAsync(image, "tokens/a", authorization: bearer), image);
    }

    private ImageStore StoreFor(RegistryProgram registry, RegistryCredential credential) =>
        NewStore(Options with { Credentials = new Dictionary<string, RegistryCredential> { [registry.Name] = credential } });
}
