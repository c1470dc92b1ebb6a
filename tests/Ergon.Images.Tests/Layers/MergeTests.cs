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
}
