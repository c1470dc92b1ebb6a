using System.Text;
using System.Text.Json;
using CsCheck;

namespace Ergon.Images.Tests.References;

/// <summary>The Docker client's file and what its helpers answer: bytes that others wrote.</summary>
public sealed class ClientConfigTests
{
    private static readonly string[] Seeds =
    [
        """{"auths":{"a.example":{"auth":"dXNlcjpwYXNz"},"b.example":{"username":"u","password":"p"},"c.example":{"identitytoken":"t"},"d.example":{} },"credsStore":"s","credHelpers":{"a.example":"h"},"currentContext":"c"}""",
        """{"ServerURL":"https://a.example","Username":"<token>","Secret":"s"}""",
        """{"auths":null}""",
        """[1,"\ud800",{"auths":[]}]""",
    ];

    private static readonly Gen<byte[]> AlmostJson = Gen.Select(Gen.OneOf(Seeds), Gen.Int[0, 1000], Gen.Byte, Gen.Int[0, 400]).Select((seed, at, value, cut) =>
    {
        var bytes = Encoding.UTF8.GetBytes(seed);
        bytes[at % bytes.Length] = value;
        return bytes[..Math.Max(0, bytes.Length - (cut > 200 ? cut - 200 : 0))];
    });

    private static readonly Gen<byte[]> Nested = Gen.Int[1, 3000].Select(n => Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"auths\":", n))));

    [Fact]
    public void Every_kind_of_login_is_read()
    {
        var config = ClientConfig.Parse(Encoding.UTF8.GetBytes(Seeds[0]));
        config.CredentialOf("a.example").Should().Be(new RegistryCredential { Username = "user", Password = "pass" });
        config.CredentialOf("b.example").Should().Be(new RegistryCredential { Username = "u", Password = "p" });
        config.CredentialOf("c.example").Should().Be(new RegistryCredential { IdentityToken = "t" });
        config.CredentialOf("d.example").Should().BeNull();
        config.HelperOf("a.example").Should().Be("h");
        config.HelperOf("b.example").Should().Be("s");
    }

    [Fact]
    public void A_password_may_contain_colons_and_any_characters() =>
        Gen.Select(Gen.String[Gen.Char["abc\u00fc @"], 1, 10], Gen.String[Gen.Char["abc:\u00fc \"\\"], 0, 20]).Sample((user, password) =>
        {
            var auth = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));
            var config = ClientConfig.Parse(Encoding.UTF8.GetBytes($$$"""{"auths":{"r":{"auth":"{{{auth}}}"} } }"""));
            return config.CredentialOf("r") == new RegistryCredential { Username = user, Password = password };
        });

    [Fact]
    public void A_token_of_a_helper_is_no_password()
    {
        ClientConfig.ParseHelperAnswer(Encoding.UTF8.GetBytes(Seeds[1])).Should().Be(new RegistryCredential { IdentityToken = "s" });
        ClientConfig.ParseHelperAnswer("""{"Username":"u","Secret":"s"}"""u8.ToArray()).Should().Be(new RegistryCredential { Username = "u", Password = "s" });
    }

    [Fact]
    public void Any_bytes_are_read_or_refused_as_json() =>
        Gen.OneOf(AlmostJson, Nested, Gen.Byte.Array[0, 100]).Sample(bytes =>
        {
            Try(() => ClientConfig.Parse(bytes));
            Try(() => ClientConfig.ParseHelperAnswer(bytes));
        }, iter: 20_000);

    [Fact]
    public void A_credential_does_not_show_its_secret() =>
        new RegistryCredential { Username = "u", Password = "hidden", IdentityToken = "hidden" }.ToString().Should().NotContain("hidden");

    private static void Try(Action read)
    {
        try
        {
            read();
        }
        catch (JsonException)
        {
            // The one refusal that is foreseen.
        }
    }
}
