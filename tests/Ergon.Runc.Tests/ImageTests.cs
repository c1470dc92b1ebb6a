using System.Formats.Tar;
using Ergon.Runc.Tests.Conformance;
using static Ergon.Runc.Tests.TestImages;

namespace Ergon.Runc.Tests;

/// <summary>Where images come from, what becomes of their layers, and images that mean harm.</summary>
public sealed class ImageTests(RuncFixture fixture) : RuncTests(fixture)
{
    private static readonly string? Engine = Environment.GetEnvironmentVariable("ERGON_TEST_DOCKER_HOST");

    private protected override RuncOptions Options => Fixture.Options with
    {
        CacheDirectory = Path.Combine(Scratch, "cache"),
        DockerHost = Engine is null ? null : new Uri(Engine),
    };

    [Fact]
    public async Task An_image_may_be_an_archive_a_layout_or_a_directory()
    {
        LayOutBusybox(Path.Combine(Scratch, "layout"));
        ExtractBusybox(Directory.CreateDirectory(Path.Combine(Scratch, "root")).FullName);
        foreach (var image in (string[])[Image(), $"oci:{Scratch}/layout", $"rootfs:{Scratch}/root", $"rootfs:{Scratch}/root/"])
            (await OutputAsync("echo hi; touch /written", s => s with { Image = image })).Should().Be("hi\n", image);
        File.Exists(Path.Combine(Scratch, "root", "written")).Should().BeFalse();
    }

    [Fact]
    public async Task An_image_comes_from_a_docker_engine_that_has_it()
    {
        Assert.SkipWhen(Engine is null, "No Docker Engine (ERGON_TEST_DOCKER_HOST).");
        (await OutputAsync("echo hi", s => s with { Image = "busybox:latest" })).Should().Be("hi\n");
    }

    [Fact]
    public async Task Without_an_engine_and_a_registry_the_error_says_what_was_asked()
    {
        var error = await RefusalAsync(Request("echo", s => s with { Image = "docker://127.0.0.1:1/none:latest" }), ErrorCode.ImageUnavailable);
        error.Message.Should().Contain("127.0.0.1:1");
    }

    [Fact]
    public async Task An_upper_layer_hides_replaces_and_repeats_what_lower_ones_gave()
    {
        var lower = Layer(Text("a", "lower"), DirectoryEntry("gone/"), Text("gone/x", "x"), DirectoryEntry("empty/"), Text("empty/x", "x"), DirectoryEntry("kind/"), Text("kind/x", "x"));
        var upper = Layer(Text(".wh.a", ""), Text(".wh.gone", ""), Text("empty/.wh..wh..opq", ""), Text("empty/new", "new"), Text(".wh.kind", ""), Text("kind", "now a file"));
        (await OutputAsync("ls / | grep -c -e '^a$' -e gone; ls /empty; cat /kind", s => s with { Image = Image(lower, upper) }))
            .Should().Be("0\nnew\nnow a file");
    }

    [Fact]
    public async Task A_layer_that_an_image_has_twice_is_there_twice()
    {
        var (one, other) = (Layer(Text("a", "one")), Layer(Text("a", "other"), Text("b", "other")));
        (await OutputAsync("cat /a /b", s => s with { Image = Image(one, other, one) })).Should().Be("oneother");
    }

    [Fact]
    public async Task Links_in_a_layer_lead_nowhere_but_into_the_image()
    {
        var victim = Path.Combine(Scratch, "victim");
        var evil = Layer(Link("evil", Scratch), Text("evil/victim", "x"), Link("up", "../../../../../.." + Scratch), Text("up/victim2", "x"));
        (await OutputAsync($"cat {victim} {victim}2", s => s with { Image = Image(evil) })).Should().Be("xx");
        File.Exists(victim).Should().BeFalse();
        File.Exists(victim + "2").Should().BeFalse();
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("a/../../outside")]
    public async Task A_layer_that_leads_out_is_refused_and_leaves_nothing(string name)
    {
        await RefusalAsync(Request("echo", s => s with { Image = Image(Layer(Text(name, "x"))) }), ErrorCode.ImageUnavailable);
        Directory.EnumerateFileSystemEntries(Path.Combine(Scratch, "cache", "images", "tmp")).SelectMany(Directory.EnumerateFileSystemEntries).Should().BeEmpty();
    }

    [Fact]
    public async Task What_is_being_unpacked_is_for_root_alone()
    {
        await OutputAsync("true", s => s with { Image = Image() });
        foreach (var directory in (string[])["tmp", "layers"])
            File.GetUnixFileMode(Path.Combine(Scratch, "cache", "images", directory)).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Fact]
    public async Task Where_names_are_mounted_links_of_the_image_lead_nowhere_else()
    {
        var target = Path.Combine(Scratch, "victim");
        await File.WriteAllTextAsync(target, "mine", Token);
        var evil = Layer(Link("etc/resolv.conf", target), Link("etc/hosts", "../../../.." + target), Link("etc/hostname", "/nowhere/at/all"));
        await OutputAsync("echo x > /etc/hosts; echo x > /etc/resolv.conf; echo x > /etc/hostname", s => s with { Image = Image(evil) });
        (await File.ReadAllTextAsync(target, Token)).Should().Be("mine");
    }

    [Fact]
    public async Task A_device_in_an_image_cannot_be_opened()
    {
        var devices = Layer(
            new PaxTarEntry(TarEntryType.CharacterDevice, "zero") { DeviceMajor = 1, DeviceMinor = 5, Mode = (UnixFileMode)0x1B6 },
            new PaxTarEntry(TarEntryType.CharacterDevice, "etc/passwd") { DeviceMajor = 1, DeviceMinor = 5, Mode = (UnixFileMode)0x1B6 });
        (await OutputAsync("head -c1 /zero 2>&1 | wc -c; head -c1 /dev/zero | wc -c", s => s with { Image = Image(devices) })).Should().NotStartWith("1\n").And.EndWith("\n1\n");
    }

    [Fact]
    public async Task A_number_is_a_user_whoever_the_image_calls_so()
    {
        var evil = Layer(Text("etc/passwd", "root:x:0:0::/root:/bin/sh\n1000:x:0:0::/root:/bin/sh\n"), Text("etc/group", "1000:x:0:\n"));
        (await OutputAsync("id -u; id -g", s => s with { Image = Image(evil), User = "1000:1000" })).Should().Be("1000\n1000\n");
    }
}
