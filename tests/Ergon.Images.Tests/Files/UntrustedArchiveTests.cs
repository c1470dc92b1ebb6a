using System.Text;
using CsCheck;
using Ergon.Images.Files;

namespace Ergon.Images.Tests.Files;

/// <summary>Archives of somebody who is not trusted.</summary>
public sealed class UntrustedArchiveTests : ImageTests
{
    private static readonly UnpackLimits Limits = new() { MaxBytes = 10_000_000 };

    private string Target => System.IO.Directory.CreateDirectory(Path.Combine(Scratch, "target")).FullName;

    [Fact]
    public async Task An_honest_archive_is_unpacked()
    {
        var layer = new Layer()
            .Directory("./")
            .Directory("locked/", mode: 0b101_101_101)
            .File("locked/file", "content", mode: 0b100_111_101_001)
            .Link("link", "locked/file")
            .HardLink("hard", "locked/file")
            .File("implied/deep/" + new string('n', 200) + "/größe", "long")
            .File("twice", "first").File("twice", "second");
        (await UnpackAsync(layer)).Should().Be(new UnpackResult(8, 7 + 4 + 5 + 6));
        Read("locked/file").Should().Be("content");
        Read("hard").Should().Be("content");
        Read("twice").Should().Be("second");
        Read("implied/deep/" + new string('n', 200) + "/größe").Should().Be("long");
        File.ResolveLinkTarget(Path.Combine(Target, "link"), false)!.FullName.Should().Be(Path.Combine(Target, "locked/file"));
        File.GetUnixFileMode(Path.Combine(Target, "locked/file")).Should().Be((UnixFileMode)0b111_101_001, "no program gets another user's rights by being brought out");
        File.GetLastWriteTimeUtc(Path.Combine(Target, "locked/file")).Should().Be(DateTimeOffset.FromUnixTimeSeconds(1_600_000_000).UtcDateTime);
        File.GetUnixFileMode(Path.Combine(Target, "locked")).Should().Be((UnixFileMode)0b111_101_101, "its owner can always remove it");
    }

    [Theory]
    [InlineData("../outside", '0', "", "leads out")]
    [InlineData("a/../../outside", '0', "", "leads out")]
    [InlineData("a/../inside", '0', "", "leads out")]
    [InlineData("/outside", '0', "", "absolute")]
    [InlineData("..", '5', "", "leads out")]
    [InlineData(".", '2', "x", "replace the directory itself")]
    [InlineData("device", '3', "", "device")]
    [InlineData("device", '4', "", "device")]
    [InlineData("pipe", '6', "", "named pipe")]
    [InlineData("hard", '1', "/etc/passwd", "absolute")]
    [InlineData("hard", '1', "../victim", "leads out")]
    [InlineData("hard", '1', "missing", "not there")]
    [InlineData("hard", '1', "", "directory")]
    [InlineData("link", '2', "", "nowhere")]
    [InlineData("sparse", 'S', "", "sparse")]
    public async Task What_it_must_not_is_refused(string name, char type, string link, string why)
    {
        var error = await RefusalAsync(new Layer().File("before", "x").Raw(RawEntry.Ustar(name, type, link)));
        error.Message.Should().Contain(why).And.Contain(Target).And.Contain("What came before is there");
        Read("before").Should().Be("x");
        System.IO.Directory.GetFileSystemEntries(Scratch).Should().BeEquivalentTo([Target]);
    }

    [Fact]
    public async Task A_name_that_is_not_text_is_refused() =>
        (await RefusalAsync(new Layer().Raw(RawEntry.Ustar([(byte)'a', 0xFF], '0', [])))).Message.Should().Contain("not UTF-8");

    [Fact]
    public async Task Links_are_made_but_never_followed()
    {
        var victim = Path.Combine(Scratch, "victim");
        await File.WriteAllTextAsync(victim, "untouched", Token);
        var outside = System.IO.Directory.CreateDirectory(Path.Combine(Scratch, "outside")).FullName;
        await UnpackAsync(new Layer().Link("evil", victim).File("evil", "replaced"));
        Read("evil").Should().Be("replaced");
        (await RefusalAsync(new Layer().Link("dir", outside).File("dir/x", "x"))).Message.Should().Contain("'dir' in its path is not a directory");
        (await RefusalAsync(new Layer().Link("dir2", "../outside").Directory("dir2/"))).Message.Should().Contain("not a directory");
        (await RefusalAsync(new Layer().Link("dir3", outside).HardLink("hard", "dir3/x"))).Message.Should().Contain("not a directory");

        // A hard link to a symbolic link is one, and writing to it replaces it.
        await UnpackAsync(new Layer().Link("soft", victim).HardLink("hard", "soft").File("hard", "mine"));
        Read("hard").Should().Be("mine");
        (await File.ReadAllTextAsync(victim, Token)).Should().Be("untouched");
        System.IO.Directory.GetFileSystemEntries(outside).Should().BeEmpty();
    }

    [Fact]
    public async Task Links_that_were_there_before_are_not_followed_either()
    {
        var outside = System.IO.Directory.CreateDirectory(Path.Combine(Scratch, "outside")).FullName;
        System.IO.Directory.CreateSymbolicLink(Path.Combine(Target, "dir"), outside);
        await RefusalAsync(new Layer().File("dir/x", "x"));
        System.IO.Directory.GetFileSystemEntries(outside).Should().BeEmpty();
    }

    [Fact]
    public async Task Bombs_are_bounded()
    {
        (await RefusalAsync(new Layer().Raw(RawEntry.WithSize("big", '0', 1L << 32)))).Message.Should().Contain("more than");
        var files = new Layer();
        for (var i = 0; i < 11; i++) files.File($"f{i}", new string('x', 1_000_000));
        (await RefusalAsync(files)).Message.Should().Contain("more than the 10000000 bytes");
        (await RefusalAsync(files, Limits with { MaxEntries = 5 })).Message.Should().Contain("more than 5 entries");
        (await RefusalAsync(new Layer().Directory(string.Concat(Enumerable.Repeat("d/", 200))))).Message.Should().Contain("more than 128 directories deep");
        (await RefusalAsync(new Layer().File(new string('n', 256)))).Message.Should().Contain("longer than 255 bytes");
    }

    [Fact]
    public async Task An_archive_that_is_cut_off_or_no_archive_is_an_error()
    {
        var tar = new Layer().File("a", new string('x', 5000)).Tar();
        (await RefusalAsync(tar[..3000])).Message.Should().Contain("cut off");
        (await RefusalAsync(Encoding.UTF8.GetBytes(new string('x', 600)))).Message.Should().Contain("not a tar archive");
        (await UnpackAsync(tar[..^1024])).Entries.Should().Be(1, "the end of the stream ends an archive as well");
        (await UnpackAsync([])).Should().Be(default(UnpackResult));
    }

    [Fact]
    public async Task A_directory_that_is_not_there_is_an_error_that_names_it()
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(() => UntrustedArchive.UnpackAsync(new MemoryStream(), Path.Combine(Scratch, "nowhere"), Limits, Token));
        error.Code.Should().Be(ErrorCode.StorageFailed);
        error.Message.Should().Contain("nowhere");
    }

    [Fact]
    public async Task Whatever_the_bytes_are_nothing_is_touched_outside()
    {
        await File.WriteAllTextAsync(Path.Combine(Scratch, "victim"), "untouched", Token);
        var seeds = new[]
        {
            new Layer().Directory("d/").File("d/f", "content").Link("l", "../victim").HardLink("h", "d/f").File("l", "x").Tar(),
            new Layer().Link("l", "..").File("l/victim", "overwritten").Tar(),
            new Layer().Link("a", "/").Directory("a/tmp/").HardLink("b", "a/victim").Tar(),
            new Layer().Raw(RawEntry.V7("x", '5', "")).Raw(RawEntry.Pax("y", ("path", "../victim"u8.ToArray()))).Tar(),
        };
        var mutations = Gen.Select(Gen.Int[0, 4095], Gen.OneOf(Gen.Byte, Gen.OneOf<byte>([.. "./125\0"u8]))).List[0, 8];
        await Gen.Select(Gen.Int[0, seeds.Length - 1], mutations, Gen.Bool).SampleAsync(
            async (seed, changes, repair) =>
            {
                var tar = (byte[])seeds[seed].Clone();
                foreach (var (at, value) in changes) tar[at % tar.Length] = value;
                if (repair) Repair(tar);
                var target = System.IO.Directory.CreateDirectory(Path.Combine(Scratch, "fuzz", Guid.NewGuid().ToString("n"), "target")).FullName;
                try
                {
                    await UntrustedArchive.UnpackAsync(new MemoryStream(tar), target, Limits, Token);
                }
                catch (ExecutorException e)
                {
                    e.Message.Should().Contain(target);
                }

                var parent = Path.GetDirectoryName(target)!;
                if (System.IO.Directory.GetFileSystemEntries(parent) is not [var only] || only != target) throw new InvalidOperationException("Something is outside.");
                System.IO.Directory.Delete(parent, recursive: true);
            },
            iter: 2000,
            threads: 1);
        (await File.ReadAllTextAsync(Path.Combine(Scratch, "victim"), Token)).Should().Be("untouched");
    }

    // A header that was changed is read on only when its checksum is right.
    private static void Repair(byte[] tar)
    {
        for (var block = 0; block + 512 <= tar.Length; block += 512)
        {
            var header = tar.AsSpan(block, 512);
            if (header[257] != 'u') continue;
            "        "u8.CopyTo(header[148..]);
            var sum = 0;
            foreach (var b in header) sum += b;
            Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(header[148..]);
        }
    }

    private string Read(string name) => File.ReadAllText(Path.Combine(Target, name));

    private Task<UnpackResult> UnpackAsync(Layer layer) => UnpackAsync(layer.Tar());

    private Task<UnpackResult> UnpackAsync(byte[] tar) => UntrustedArchive.UnpackAsync(new MemoryStream(tar), Target, Limits, Token);

    private Task<ExecutorException> RefusalAsync(Layer layer, UnpackLimits? limits = null) => RefusalAsync(layer.Tar(), limits);

    private async Task<ExecutorException> RefusalAsync(byte[] tar, UnpackLimits? limits = null)
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(() => UntrustedArchive.UnpackAsync(new MemoryStream(tar), Target, limits ?? Limits, Token));
        error.Code.Should().Be(ErrorCode.BackendFailed);
        return error;
    }
}
