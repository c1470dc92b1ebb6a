using CsCheck;

namespace Ergon.Images.Tests.References;

/// <summary>The texts that name images.</summary>
public sealed class ImageSourceTests
{
    private const string Id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    private static readonly Gen<string> Odd = Gen.Select(
        Gen.OneOf<string>("", "docker://", "docker-daemon:", "oci:", "oci-archive:", "docker-archive:", "rootfs:"), Gen.String[Gen.Char["/a0:@.-_ \n\0ü"], 0, 20], (prefix, rest) => prefix + rest);

    [Fact]
    public void Every_transport_is_taken_apart()
    {
        Parse("busybox").Should().Match<ImageSource>(s => s.Kind == ImageSourceKind.Reference && s.Path == null && s.Reference!.ToString() == "docker.io/library/busybox:latest");
        Parse("host:5000/a/b:tag@sha256:" + Id).Reference!.Digest.Should().Be("sha256:" + Id);
        Parse("docker://ghcr.io/a/b:c").Should().Match<ImageSource>(s => s.Kind == ImageSourceKind.Registry && s.Reference!.Registry == "ghcr.io");
        Parse("docker-daemon:a:b").Should().Match<ImageSource>(s => s.Kind == ImageSourceKind.DockerDaemon && s.Reference!.Tag == "b");
        Parse("docker-daemon:" + Id).Id.Should().Be("sha256:" + Id);
        Parse("docker-daemon:sha256:" + Id).Id.Should().Be("sha256:" + Id);
        Parse("oci:/a/b").Should().Match<ImageSource>(s => s.Kind == ImageSourceKind.OciDirectory && s.Path == "/a/b" && s.Tag == null);
        Parse("oci:/a/b:v1").Should().Match<ImageSource>(s => s.Path == "/a/b" && s.Tag == "v1");
        Parse("oci-archive:/a.tar:v1").Should().Match<ImageSource>(s => s.Kind == ImageSourceKind.OciArchive && s.Path == "/a.tar" && s.Tag == "v1");
        Parse("docker-archive:/a.tar:host:5000/b:c").Should().Match<ImageSource>(s => s.Kind == ImageSourceKind.DockerArchive && s.Path == "/a.tar" && s.Reference!.ToString() == "host:5000/b:c");
        Parse("rootfs:/a:b").Should().Match<ImageSource>(s => s.Kind == ImageSourceKind.RootDirectory && s.Path == "/a:b");
    }

    [Theory]
    [InlineData("", "is not an image reference")]
    [InlineData("UPPER", "is not an image reference")]
    [InlineData("docker://", "give docker://[registry/]name")]
    [InlineData("docker-daemon:a b", "is not an image reference")]
    [InlineData("oci:relative", "needs an absolute path: oci:/PATH")]
    [InlineData("oci-archive:", "needs an absolute path")]
    [InlineData("oci:/a:", "empty tag")]
    [InlineData("docker-archive:/a:B", "not an image reference")]
    [InlineData("rootfs:a", "needs an absolute path")]
    public void What_names_no_image_is_refused_with_what_to_write(string text, string why)
    {
        ImageSource.TryParse(text, out _, out var problem).Should().BeFalse();
        problem.Should().Contain(why);
        Assert.Throws<FormatException>(() => ImageSource.Parse(text)).Message.Should().Contain(why);
    }

    [Fact]
    public void Any_text_is_taken_or_refused() => Odd.Sample(text =>
        ImageSource.TryParse(text, out var source, out var problem) ? source.Path is not null ^ (source.Reference is not null || source.Id is not null) || source.Kind == ImageSourceKind.DockerArchive : problem!.Length > 0);

    private static ImageSource Parse(string text) => ImageSource.Parse(text);
}
