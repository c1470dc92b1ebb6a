using CsCheck;

namespace Ergon.Images.Tests.References;

/// <summary>Names of images, completed as Docker completes them.</summary>
public sealed class ImageReferenceTests
{
    private const string Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    private static readonly Gen<string> Component = Gen.String[Gen.Char["abcxyz0189"], 1, 8];
    private static readonly Gen<string> Odd = Gen.String[Gen.Char["aZ0/:@._-[] \n\u00fc"], 0, 40];

    [Theory]
    [InlineData("busybox", "docker.io", "library/busybox", "latest", null)]
    [InlineData("busybox:1.36", "docker.io", "library/busybox", "1.36", null)]
    [InlineData("user/image", "docker.io", "user/image", "latest", null)]
    [InlineData("docker.io/busybox", "docker.io", "library/busybox", "latest", null)]
    [InlineData("index.docker.io/a/b:c", "docker.io", "a/b", "c", null)]
    [InlineData("ghcr.io/a/b/c:v1", "ghcr.io", "a/b/c", "v1", null)]
    [InlineData("localhost/a", "localhost", "a", "latest", null)]
    [InlineData("localhost:5000/a:b", "localhost:5000", "a", "b", null)]
    [InlineData("127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", "latest", null)]
    [InlineData("[::1]:5000/a", "[::1]:5000", "a", "latest", null)]
    [InlineData("Registry/a", "Registry", "a", "latest", null)]
    [InlineData("a@" + Digest, "docker.io", "library/a", null, Digest)]
    [InlineData("a:t@" + Digest, "docker.io", "library/a", "t", Digest)]
    public void A_reference_is_completed(string text, string registry, string repository, string? tag, string? digest) =>
        ImageReference.Parse(text).Should().Be(new ImageReference(registry, repository, tag, digest));

    [Theory]
    [InlineData("")]
    [InlineData("UPPER")]
    [InlineData("a b")]
    [InlineData("a:")]
    [InlineData(":a")]
    [InlineData("a@")]
    [InlineData("a@sha256:short")]
    [InlineData("a/")]
    [InlineData("/a")]
    [InlineData("a//b")]
    [InlineData("a..b")]
    [InlineData("-a")]
    [InlineData("a\n")]
    [InlineData("https://ghcr.io/a")]
    [InlineData("[x:/a")]
    [InlineData("a.b:port/a")]
    [InlineData("ghcr.io/A")]
    public void What_is_no_reference_is_refused(string text) => ImageReference.TryParse(text, out _).Should().BeFalse();

    [Fact]
    public void A_parsed_reference_written_out_is_itself() =>
        Gen.Select(Component.Array[1, 4], Component, Gen.Bool, Gen.Bool).Sample((path, tag, hasTag, hasDigest) =>
        {
            var text = string.Join('/', path) + (hasTag ? ":" + tag : "") + (hasDigest ? "@" + Digest : "");
            var reference = ImageReference.Parse(text);
            var again = ImageReference.Parse(reference.ToString());
            return again.Name == reference.Name && again.Version == reference.Version && reference.Name.EndsWith(string.Join('/', path), StringComparison.Ordinal);
        });

    [Fact]
    public void Any_text_is_taken_or_refused_and_what_is_taken_is_safe_in_a_query() =>
        Odd.Sample(text => !ImageReference.TryParse(text, out var reference) || (!reference.ToString().Any(char.IsWhiteSpace) && !reference.Repository.Any(char.IsAsciiLetterUpper)));

    [Fact]
    public void A_very_long_text_is_answered_at_once()
    {
        foreach (var text in new[] { new string('a', 1_000_000), string.Concat(Enumerable.Repeat("a-", 2000)) + "/", string.Concat(Enumerable.Repeat("a/", 2000)) + "A", new string('a', 4000) + ":@" })
        {
            var clock = System.Diagnostics.Stopwatch.StartNew();
            ImageReference.TryParse(text, out _).Should().BeFalse();
            clock.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(5));
        }
    }
}
