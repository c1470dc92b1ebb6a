using System.IO.Compression;
using System.Text.Json.Nodes;
using CliWrap;

namespace Ergon.Images.Tests.Sources;

/// <summary>OCI layouts and Docker archives, as directories and files.</summary>
public sealed class LayoutTests : ImageTests
{
    private static TestImage Of(string text, string? architecture = null) => new(new Layer().File("which", text).Gzip()) { Architecture = architecture ?? Platform.Host.Architecture };

    [Fact]
    public async Task A_layout_is_read_from_a_directory_and_from_an_archive()
    {
        var layout = Of("layout").LayOut(NewDirectory());
        (await WhichAsync("oci:" + layout)).Should().Be("layout");
        (await WhichAsync($"oci:{layout}:latest")).Should().Be("layout");
        var archive = Path.Combine(Scratch, "layout.tar");
        await Cli.Wrap("tar").WithArguments(["-C", layout, "-cf", archive, "."]).ExecuteAsync(Token);
        (await WhichAsync($"oci-archive:{archive}")).Should().Be("layout");
        await Cli.Wrap("gzip").WithArguments([archive]).ExecuteAsync(Token);
        (await WhichAsync($"oci-archive:{archive}.gz:latest")).Should().Be("layout");
    }

    [Fact]
    public async Task A_tag_chooses_and_without_one_there_must_be_one_image()
    {
        var (one, two, layout) = (Of("1"), Of("2"), NewDirectory());
        two.LayOut(layout);
        one.LayOut(layout, TestImage.Index(one.Descriptor("one"), two.Descriptor("two")));
        (await WhichAsync($"oci:{layout}:two")).Should().Be("2");
        (await RefusalAsync("oci:" + layout)).Message.Should().Contain("several images").And.Contain("one, two");
        (await RefusalAsync($"oci:{layout}:three")).Message.Should().Contain("no image with the tag 'three'").And.Contain("one, two");
    }

    [Fact]
    public async Task An_index_in_an_index_is_followed_to_the_platform()
    {
        var (native, foreign, layout) = (Of("native"), Of("foreign", "s390x"), NewDirectory());
        foreign.LayOut(layout);
        var attestation = native.Descriptor();
        attestation["platform"] = new JsonObject { ["os"] = "unknown", ["architecture"] = "unknown" };
        attestation["annotations"] = new JsonObject { ["vnd.docker.reference.type"] = "attestation-manifest" };
        var inner = TestImage.Index(attestation, foreign.Descriptor(), native.Descriptor());
        await File.WriteAllBytesAsync(Path.Combine(layout, "blobs/sha256", ContentDigest.Hex(ContentDigest.Of(inner))), inner, Token);
        native.LayOut(layout, TestImage.Index(TestImage.Describe(TestImage.IndexType, inner)));
        (await WhichAsync("oci:" + layout)).Should().Be("native");
        (await WhichAsync("oci:" + layout, "linux/s390x")).Should().Be("foreign");
        (await RefusalAsync("oci:" + layout, platform: "linux/riscv64")).Message.Should().Contain("no variant for linux/riscv64");
    }

    [Fact]
    public async Task Blobs_that_are_damaged_or_missing_are_refused()
    {
        var image = Of("blobs");
        foreach (var (blob, what) in new[] { (image.Manifest, "manifest"), (image.Configuration, "configuration"), (image.LayerBlobs[0], "layer") })
        {
            var layout = image.LayOut(NewDirectory());
            var file = Path.Combine(layout, "blobs/sha256", ContentDigest.Hex(ContentDigest.Of(blob)));
            blob[blob.Length / 2] ^= 1;
            await File.WriteAllBytesAsync(file, blob, Token);
            (await RefusalAsync("oci:" + layout)).Message.Should().Contain(what);
            File.Delete(file);
            (await RefusalAsync("oci:" + layout)).Message.Should().Contain(what).And.Contain("missing");
        }
    }

    [Fact]
    public async Task What_is_not_a_layout_is_refused()
    {
        (await RefusalAsync("oci:" + NewDirectory())).Message.Should().Contain("no index.json");
        (await RefusalAsync($"oci:{Scratch}/nowhere")).Message.Should().Contain("no directory");
        (await RefusalAsync($"oci-archive:{Scratch}/nowhere")).Message.Should().Contain("nowhere");
        var broken = Of("broken").LayOut(NewDirectory(), "{"u8.ToArray());
        (await RefusalAsync("oci:" + broken)).Message.Should().Contain("index.json cannot be read");
        var evil = Of("evil").LayOut(NewDirectory(), """{"schemaVersion":2,"manifests":[{"digest":"sha256:../../../../etc/passwd"}]}"""u8.ToArray());
        (await RefusalAsync("oci:" + evil)).Message.Should().Contain("only sha256:HEX can be verified");
        File.Delete(Path.Combine(evil, "index.json"));
        await Cli.Wrap("mkfifo").WithArguments([Path.Combine(evil, "index.json")]).ExecuteAsync(Token);
        (await RefusalAsync("oci:" + evil)).Message.Should().Contain("not a regular file");
    }

    [Fact]
    public async Task A_saved_archive_may_have_several_images()
    {
        var path = Path.Combine(Scratch, "several.tar");
        TestImage.SaveAll(path, (Of("1"), ["one:latest"]), (Of("2"), ["registry.example/two:v2", "two:latest"]), (Of("3", "s390x"), ["three:latest"]));
        (await WhichAsync($"docker-archive:{path}:one")).Should().Be("1");
        (await WhichAsync($"docker-archive:{path}:registry.example/two:v2")).Should().Be("2");
        (await RefusalAsync($"docker-archive:{path}")).Message.Should().Contain("several images").And.Contain("registry.example/two:v2");
        (await RefusalAsync($"docker-archive:{path}:four")).Message.Should().Contain("does not have docker.io/library/four:latest");
        (await RefusalAsync($"docker-archive:{path}:three")).Message.Should().Contain("but for linux/s390x");
        (await WhichAsync($"docker-archive:{path}:three", "linux/s390x")).Should().Be("3");
    }

    [Fact]
    public async Task A_saved_archive_may_be_compressed_and_is_found_unchanged_in_no_time()
    {
        var (path, store) = (Of("saved").SaveTo(Path.Combine(Scratch, "saved.tar")), NewStore());
        await using (var gzip = new GZipStream(File.Create(path + ".gz"), CompressionLevel.Fastest)) await gzip.WriteAsync(await File.ReadAllBytesAsync(path, Token), Token);
        using var first = await GetAsync("docker-archive:" + path, store: store);
        using var second = await GetAsync("docker-archive:" + path + ".gz", store: store);
        second.Path.Should().Be(first.Path);
        Of("saved again").SaveTo(path);
        using var third = await GetAsync("docker-archive:" + path, store: store);
        third.Path.Should().NotBe(first.Path);
    }

    [Fact]
    public async Task What_docker_save_did_not_write_is_refused()
    {
        var path = Path.Combine(Scratch, "other.tar");
        await Cli.Wrap("tar").WithArguments(["-C", NewDirectory(), "-cf", path, "."]).ExecuteAsync(Token);
        (await RefusalAsync("docker-archive:" + path)).Message.Should().Contain("no manifest.json");
        await File.WriteAllTextAsync(path, new string('x', 2000), Token);
        (await RefusalAsync("docker-archive:" + path)).Message.Should().Contain("not a tar archive");
        (await RefusalAsync("docker-archive:" + Scratch)).Message.Should().Contain("not a regular file");
    }

    private async Task<string> WhichAsync(string image, string? platform = null)
    {
        using var lease = await GetAsync(image, platform: platform);
        return (await BlockImage.ReadAsync(lease.Path)).Text("which");
    }

    private string NewDirectory() => System.IO.Directory.CreateDirectory(Path.Combine(Scratch, Guid.NewGuid().ToString("n"))).FullName;
}
