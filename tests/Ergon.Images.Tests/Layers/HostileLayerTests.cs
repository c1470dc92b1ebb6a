using System.Text;

namespace Ergon.Images.Tests.Layers;

/// <summary>Layers that mean harm, or are broken. Each is refused with a reason and leaves nothing.</summary>
public sealed class HostileLayerTests : ImageTests
{
    public static TheoryData<string, string> Refused => new()
    {
        { "../outside", "leads out of the image" },
        { "/../outside", "leads out of the image" },
        { "a/../../outside", "leads out of the image" },
        { "", "replace the root directory" },
        { ".", "replace the root directory" },
        { "./", "replace the root directory" },
        { "a/..", "replace the root directory" },
        { ".wh.", "hides nothing" },
        { ".wh..", "hides nothing" },
        { ".wh...", "hides nothing" },
        { "a/../../.wh.x", "leads out of the image" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task A_name_that_leads_nowhere_good_is_refused(string name, string why)
    {
        // A link, since a file the name of which ends with a slash is a directory.
        var error = await MergeRefusalAsync(new Layer().File("a"), new Layer().Raw(RawEntry.Ustar(name, '2', "x")));
        error.Message.Should().Contain(why).And.Contain("layer");
    }

    [Theory]
    [InlineData("missing", "is not there")]
    [InlineData("../outside", "leads out of the image")]
    [InlineData("dir", "the directory 'dir'")]
    [InlineData("", "is not there")]
    public async Task A_hard_link_to_nothing_is_refused(string target, string why) =>
        (await MergeRefusalAsync(new Layer().Directory("dir/").Raw(RawEntry.Ustar("link", '1', target)))).Message.Should().Contain(why);

    [Fact]
    public async Task An_absolute_name_is_one_inside() =>
        (await MergeAsync(new Layer().Raw(RawEntry.Ustar("/etc/passwd"u8, '0', "mine"u8)))).Text("etc/passwd").Should().Be("mine");

    [Fact]
    public async Task A_file_in_the_way_of_a_path_is_refused() =>
        (await MergeRefusalAsync(new Layer().File("a"), new Layer().File("a/b"))).Message.Should().Contain("'a' in its path is not a directory");

    [Fact]
    public async Task A_loop_of_links_is_refused() =>
        (await MergeRefusalAsync(new Layer().Link("a", "b").Link("b", "a").File("a/c"))).Message.Should().Contain("loop of symbolic links");

    [Fact]
    public async Task Links_never_lead_out_of_the_image()
    {
        var target = Path.Combine(Scratch, "victim");
        var image = await MergeAsync(new Layer().Link("evil", Scratch).File("evil/victim", "x").Link("up", "../../../../../../" + Scratch.TrimStart('/')).File("up/victim2", "x"));
        File.Exists(target).Should().BeFalse();
        image.Has(Scratch.TrimStart('/') + "/victim").Should().BeTrue();
        image.Has(Scratch.TrimStart('/') + "/victim2").Should().BeTrue();
    }

    [Fact]
    public async Task Unknown_and_sparse_entries_are_refused()
    {
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.WithSize("x", 'S', 0)))).Message.Should().Contain("sparse");
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.Pax("x", ("GNU.sparse.major", "1"u8.ToArray()))))).Message.Should().Contain("sparse");
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.WithSize("x", 'M', 0)))).Message.Should().Contain("not known");
    }

    [Fact]
    public async Task What_a_file_system_cannot_keep_is_refused_and_odd_times_are_not()
    {
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.Ustar("x", '2')))).Message.Should().Contain("link to nowhere");
        (await MergeRefusalAsync(new Layer().Add(new System.Formats.Tar.PaxTarEntry(System.Formats.Tar.TarEntryType.CharacterDevice, "x") { DeviceMajor = 5000 }))).Message.Should().Contain("no device 5000:0");
        var image = await MergeAsync(new Layer().Raw(RawEntry.Pax("before", ("mtime", "-5.5"u8.ToArray()))).Raw(RawEntry.Pax("after", ("mtime", "99999999999999"u8.ToArray()))));
        image["before"].ModificationTime.ToUnixTimeSeconds().Should().Be(0);
        image["after"].ModificationTime.ToUnixTimeSeconds().Should().Be(uint.MaxValue);
    }

    [Fact]
    public async Task A_compressed_archive_that_is_a_bomb_is_refused()
    {
        var path = Path.Combine(Scratch, "bomb.tar.gz");
        await using (var gzip = new System.IO.Compression.GZipStream(File.Create(path), System.IO.Compression.CompressionLevel.Fastest)) await gzip.WriteAsync(new byte[20_000_000], Token);
        (await RefusalAsync("docker-archive:" + path, store: NewStore(Options with { MaxImageBytes = 10_000_000 }))).Message.Should().Contain("Decompressed it has more than 10000000 bytes");
    }

    [Fact]
    public async Task Headers_and_names_that_are_bombs_are_refused()
    {
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.WithSize("x", 'x', 1L << 32)))).Message.Should().Contain("extended header has 4294967296 bytes");
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.WithSize("x", 'L', 2 << 20)))).Message.Should().Contain("extended header");
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.Pax("x", ("path", Encoding.UTF8.GetBytes(new string('n', 5000))))))).Message.Should().Contain("longer than 4095");
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.Pax("x", ("path", Encoding.UTF8.GetBytes(new string('n', 256))))))).Message.Should().Contain("longer than 255");
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.Pax("x", ("SCHILY.xattr.user.a", new byte[100_000]))))).Message.Should().Contain("extended attribute");
        (await MergeRefusalAsync(new Layer().Raw(RawEntry.Pax("x", ("path", [(byte)'a', 0, (byte)'b']))))).Message.Should().Contain("zero byte");
    }

    [Fact]
    public async Task Links_cannot_make_a_path_longer_than_the_kernel_takes()
    {
        var (layer, path) = (new Layer(), "");
        for (var i = 0; i < 15; i++) layer.Directory((path += new string((char)('a' + i), 250) + "/")[..]);
        layer.Link("l", path).Directory("l/" + new string('y', 200)).Link("m", "l/" + new string('y', 200)).Directory("m/" + new string('z', 200));
        (await MergeRefusalAsync(layer)).Message.Should().Contain("its path is longer than 4095 bytes");
    }

    [Fact]
    public async Task An_image_that_is_too_large_is_refused_before_it_is_written()
    {
        // A gibibyte of zeros is a mebibyte of gzip.
        var bomb = new Layer().Raw([.. RawEntry.WithSize("zeros", '0', 1 << 28), .. new byte[1 << 28]]).Gzip();
        bomb.Blob().Length.Should().BeLessThan(3_000_000);
        var path = new TestImage(bomb).SaveTo(Path.Combine(Scratch, "bomb.tar"));
        var error = await RefusalAsync("docker-archive:" + path, store: NewStore(Options with { MaxImageBytes = 10_000_000 }));
        error.Message.Should().Contain("more than 10000000 bytes");
    }

    [Fact]
    public async Task Damaged_compression_is_refused()
    {
        Layer Random(string name) => new Layer().File(name, Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(100_000)));
        (await MergeRefusalAsync(Random("a").Gzip().Damage(b => b[..(b.Length / 2)]))).Message.Should().Contain("layer");
        (await MergeRefusalAsync(Random("a").Zstd().Damage(b => b[..(b.Length / 2)]))).Message.Should().Contain("damaged or cut off");
        (await MergeRefusalAsync(Random("a").Damage(b => b[..(b.Length / 2)]))).Message.Should().Contain("cut off");
        (await MergeRefusalAsync(Random("a").Gzip().Damage(b => Flip(b, b.Length / 2)))).Message.Should().Contain("layer");
        (await MergeRefusalAsync(Random("a").Damage(b => Flip(b, 2000)))).Message.Should().Contain("not what the image's configuration names");
        (await MergeRefusalAsync(Random("a").Damage(b => [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, .. b]))).Message.Should().Contain("compressed with xz");
        (await MergeRefusalAsync(new Layer().Damage(_ => Encoding.UTF8.GetBytes(new string('t', 600))))).Message.Should().Contain("not a tar archive");
    }

    private static byte[] Flip(byte[] bytes, int at)
    {
        bytes[at] ^= 0x55;
        return bytes;
    }
}
