using System.Formats.Tar;

namespace Ergon.Images.Tests.Layers;

/// <summary>What a stack of layers leaves visible.</summary>
public sealed class MergeTests : ImageTests
{
    [Fact]
    public async Task Everything_about_a_file_arrives()
    {
        var layer = new Layer()
            .Directory("./", mode: 0b111_000_101, uid: 7)
            .Directory("bin/")
            .File("bin/su", "content of su", mode: 0b100_111_101_101, uid: 1000, gid: 1001)
            .File("bin/big", new string('x', 300_000))
            .Link("bin/sh", "/bin/su")
            .HardLink("bin/su2", "bin/su")
            .Add(new PaxTarEntry(TarEntryType.CharacterDevice, "dev/null") { DeviceMajor = 1, DeviceMinor = 3, Mode = (UnixFileMode)0b110_110_110 })
            .Add(new PaxTarEntry(TarEntryType.BlockDevice, "dev/disk") { DeviceMajor = 259, DeviceMinor = 300 })
            .Add(new PaxTarEntry(TarEntryType.Fifo, "run/pipe"))
            .File("tmp/" + new string('n', 250) + "/" + new string('m', 200), "long")
            .File("etc/größe ☃", "unicode", uid: 3_000_000, pax: new Dictionary<string, string> { ["SCHILY.xattr.user.note"] = "hello" });
        var image = await MergeAsync(layer);
        image[""].Mode.Should().Be((UnixFileMode)0b111_000_101);
        image[""].Uid.Should().Be(7);
        image["bin/su"].Should().Match<TarEntry>(e => e.Mode == (UnixFileMode)0b100_111_101_101 && e.Uid == 1000 && e.Gid == 1001 && e.ModificationTime.ToUnixTimeSeconds() == 1_600_000_000);
        image.Text("bin/su").Should().Be("content of su");
        image.Text("bin/big").Should().Be(new string('x', 300_000));
        image["bin/sh"].Should().Match<TarEntry>(e => e.EntryType == TarEntryType.SymbolicLink && e.LinkName == "/bin/su");
        image["bin/su2"].Should().Match<TarEntry>(e => e.EntryType == TarEntryType.HardLink && e.LinkName.EndsWith("bin/su"));
        image["dev/null"].Should().Match<PosixTarEntry>(e => e.EntryType == TarEntryType.CharacterDevice && e.DeviceMajor == 1 && e.DeviceMinor == 3);
        image["dev/disk"].Should().Match<PosixTarEntry>(e => e.EntryType == TarEntryType.BlockDevice && e.DeviceMajor == 259 && e.DeviceMinor == 300);
        image["run/pipe"].EntryType.Should().Be(TarEntryType.Fifo);
        image.Text("tmp/" + new string('n', 250) + "/" + new string('m', 200)).Should().Be("long");
        image.Text("etc/größe ☃").Should().Be("unicode");
        image["etc/größe ☃"].Uid.Should().Be(3_000_000);
        (await image.AttributesAsync("etc/größe ☃")).Should().Contain("user.note").And.Contain("hello");
    }

    [Fact]
    public async Task Whiteouts_hide_what_lower_layers_gave_and_nothing_of_their_own_layer()
    {
        var image = await MergeAsync(
            new Layer().File("gone", "1").File("kept", "1").Directory("dir/").File("dir/a", "1").File("dir/b", "1").Directory("opaque/").File("opaque/old", "1").Directory("opaque/sub/").File("opaque/sub/old", "1"),
            new Layer().Hide(".wh.gone").Hide("dir/.wh.a").File("opaque/before", "2").Hide("opaque/.wh..wh..opq").File("opaque/after", "2").File("replaced", "2").Hide(".wh.replaced"),
            new Layer().Hide(".wh.never-there").Hide("nowhere/.wh.x").Hide(".wh..wh.plnk"));
        image.Names.Should().Equal("dir/", "dir/b", "kept", "opaque/", "opaque/after", "opaque/before", "replaced");
    }

    [Fact]
    public async Task A_whiteout_of_a_directory_hides_all_of_it_and_what_the_layer_puts_there_remains()
    {
        var image = await MergeAsync(
            new Layer().Directory("a/").Directory("a/b/").File("a/b/c", "1").File("a/d", "1"),
            new Layer().File("a/b/new", "2").Hide(".wh.a"));
        image.Names.Should().Equal("a/", "a/b/", "a/b/new");
    }

    [Fact]
    public async Task A_file_takes_the_place_of_a_directory_and_the_other_way_round()
    {
        var image = await MergeAsync(
            new Layer().Directory("a/").File("a/inside", "1").File("b", "1").Link("c", "a"),
            new Layer().File("a", "now a file").Directory("b/").File("b/inside", "2").Directory("c/").File("c/inside", "2"),
            new Layer().File("twice", "first").File("twice", "second").Directory("b/", mode: 0b111_000_000));
        image.Names.Should().Equal("a", "b/", "b/inside", "c/", "c/inside", "twice");
        image.Text("a").Should().Be("now a file");
        image.Text("twice").Should().Be("second");
        image["b/"].Mode.Should().Be((UnixFileMode)0b111_000_000);
    }

    [Fact]
    public async Task A_hard_link_lives_on_when_the_name_that_it_was_made_of_is_hidden_or_replaced()
    {
        var image = await MergeAsync(
            new Layer().File("one", "shared").HardLink("two", "one").HardLink("three", "/one").File("other", "x").HardLink("other2", "other"),
            new Layer().Hide(".wh.one").File("other", "replaced").HardLink("four", "two").Link("soft", "two").HardLink("soft2", "soft"));
        image.Names.Should().Equal("four", "other", "other2", "soft", "soft2", "three", "two");
        var content = image.Text("four");
        new[] { content, image.Text("two"), image.Text("three") }.Should().Contain("shared");
        new[] { "four", "two", "three" }.Count(n => image[n].EntryType == TarEntryType.HardLink).Should().Be(2);
        image.Text("other").Should().Be("replaced");
        image.Text("other2").Should().Be("x");
    }

    [Fact]
    public async Task Links_in_a_path_lead_to_where_they_would_inside_a_container()
    {
        var image = await MergeAsync(
            new Layer().Directory("usr/").Directory("usr/lib/").Link("lib", "usr/lib").Link("abs", "/usr").Link("out", "../../../../tmp/elsewhere"),
            new Layer().File("lib/a", "a").File("abs/lib/b", "b").File("out/c", "c").File("new/deep/d", "d"));
        image.Names.Should().Equal("abs", "lib", "new/", "new/deep/", "new/deep/d", "out", "tmp/", "tmp/elsewhere/", "tmp/elsewhere/c", "usr/", "usr/lib/", "usr/lib/a", "usr/lib/b");
        image["lib"].EntryType.Should().Be(TarEntryType.SymbolicLink);
    }

    [Fact]
    public async Task Gzip_zstd_and_plain_layers_are_told_apart_by_their_bytes()
    {
        var image = await MergeAsync(new Layer().File("plain", "1"), new Layer().File("gzip", "2").Gzip(), new Layer().File("zstd", "3").Zstd());
        new[] { "plain", "gzip", "zstd" }.Select(image.Text).Should().Equal("1", "2", "3");
    }

    [Fact]
    public async Task Binary_attributes_such_as_capabilities_arrive_byte_by_byte()
    {
        // The framework's writer takes text only.
        byte[] value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0x0A];
        var layer = new Layer().Raw(RawEntry.Pax("bin/ping", ("SCHILY.xattr.security.capability", value), ("SCHILY.xattr.system.unknown", [1])));
        var path = new TestImage(layer).SaveTo(Path.Combine(Scratch, "attributes.tar"));
        using var lease = await GetAsync("docker-archive:" + path);
        var tar = await BlockImage.RawTarAsync(lease.Path);
        tar.AsSpan().IndexOf((byte[])[.. "SCHILY.xattr.security.capability="u8, .. value, (byte)'\n']).Should().BePositive();
        tar.AsSpan().IndexOf("system.unknown"u8).Should().Be(-1);
    }

    [Fact]
    public async Task Names_that_are_not_text_arrive_byte_by_byte()
    {
        var layer = new Layer().Raw(RawEntry.Ustar([0xFF, 0xFE, (byte)'x'], '0', "content"u8));
        var path = new TestImage(layer).SaveTo(Path.Combine(Scratch, "bytes.tar"));
        using var lease = await GetAsync("docker-archive:" + path);
        (await BlockImage.RawTarAsync(lease.Path)).AsSpan().IndexOf(new byte[] { 0xFF, 0xFE, (byte)'x' }).Should().BePositive();
    }

    [Fact]
    public async Task Old_forms_of_archives_are_read()
    {
        var layer = new Layer()
            .Raw(RawEntry.V7("old-dir/", '\0', ""))
            .Raw(RawEntry.V7("old-dir/file", '\0', "v7"))
            .Add(new GnuTarEntry(TarEntryType.RegularFile, "gnu/" + new string('g', 180)) { DataStream = new MemoryStream("gnu"u8.ToArray()) })
            .Add(new UstarTarEntry(TarEntryType.RegularFile, new string('p', 120) + "/" + new string('u', 90)) { DataStream = new MemoryStream("ustar"u8.ToArray()) });
        var image = await MergeAsync(layer);
        image.Text("old-dir/file").Should().Be("v7");
        image.Text("gnu/" + new string('g', 180)).Should().Be("gnu");
        image.Text(new string('p', 120) + "/" + new string('u', 90)).Should().Be("ustar");
    }

    [Fact]
    public async Task An_image_without_layers_is_an_empty_root() => (await MergeAsync()).Names.Should().BeEmpty();
}
