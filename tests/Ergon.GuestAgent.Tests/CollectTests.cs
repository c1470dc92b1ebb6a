using System.Formats.Tar;
using Ergon.GuestAgent.Tests.Guests;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests;

public sealed class CollectTests
{
    [Fact]
    public async Task Outputs_come_back_as_an_archive_named_by_their_index()
    {
        const string Script = """
            cd /out
            mkdir -p a/b; printf hello > a/b/file; ln -s ../file a/link; ln a/b/file a/hard; chmod 4750 a/b/file; mkfifo pipe; mkdir empty
            printf x > "$(printf 'n%.0s' $(seq 1 200))"; printf y > "ümlaut"
            dd if=/dev/zero of=sparse bs=1 count=1 seek=3000000 2>/dev/null
            head -c 1500000 /dev/zero | tr '\0' 'z' > /second/out/big
            """;
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell(Script) with { Outputs = ["/out", "/second/out"], User = "user" });
        await using var _ = guest;
        (await client.EndAsync()).Should().Be(new ExitedMessage(0, 0, null, false, ""));
        (await client.CollectAsync(5)).Code.Should().Be(ReplyCode.Done);
        (await client.EndAsync(5, streams: 1)).ExitCode.Should().Be(0);
        var entries = await ReadAsync(client.Channel(5).Bytes(1));
        entries.Keys.Should().BeEquivalentTo(
            "0/", "0/a/", "0/a/b/", "0/a/b/file", "0/a/hard", "0/a/link", "0/empty/", "0/" + new string('n', 200), "0/ümlaut", "0/sparse", "1/", "1/big");
        entries["0/sparse"].Content.Should().HaveCount(3_000_001);
        entries["0/a/b/file"].Mode.Should().Be((UnixFileMode)0b100_111_101_000);
        (entries["0/a/b/file"].Uid, entries["0/n" + new string('n', 199)].Content.Length).Should().Be((1000, 1));
    }

    [Fact]
    public async Task An_archive_larger_than_the_window_flows_as_the_host_takes_it()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("head -c 3500000 /dev/zero | tr '\\0' 'z' > /out/big; ln -s big /out/link; ln /out/big /out/hard") with { Outputs = ["/out"], User = "user" });
        await using var _ = guest;
        await client.EndAsync();
        await client.CollectAsync(5);
        (await client.EndAsync(5, streams: 1)).ExitCode.Should().Be(0);
        var entries = await ReadAsync(client.Channel(5).Bytes(1));
        entries["0/big"].Type.Should().Be(TarEntryType.RegularFile);
        entries["0/big"].Content.Should().HaveCount(3_500_000).And.AllBeEquivalentTo((byte)'z');
        entries["0/big"].Uid.Should().Be(1000);
        entries["0/hard"].Should().BeEquivalentTo(new { Type = TarEntryType.HardLink, Link = "0/big" }, o => o.ExcludingMissingMembers());
        entries["0/link"].Should().BeEquivalentTo(new { Type = TarEntryType.SymbolicLink, Link = "big" }, o => o.ExcludingMissingMembers());
    }

    [Fact]
    public async Task A_job_cannot_have_something_else_collected_by_replacing_its_output()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("rm -rf /out; ln -s /etc /out; mv /out /gone; echo ok > /out/kept; ln -s /etc/passwd /out/passwd") with { Outputs = ["/out"] });
        await using var _ = guest;
        await client.EndAsync();
        await client.CollectAsync(5);
        (await client.EndAsync(5, streams: 1)).ExitCode.Should().Be(0);
        var entries = await ReadAsync(client.Channel(5).Bytes(1));
        entries.Keys.Should().Contain("0/kept");
        entries["0/passwd"].Type.Should().Be(TarEntryType.SymbolicLink);
    }

    internal sealed record Entry(TarEntryType Type, string Link, int Uid, UnixFileMode Mode, byte[] Content);

    private static async Task<Dictionary<string, Entry>> ReadAsync(byte[] archive)
    {
        var entries = new Dictionary<string, Entry>();
        await using var reader = new TarReader(new MemoryStream(archive));
        while (await reader.GetNextEntryAsync() is { } entry)
        {
            using var content = new MemoryStream();
            if (entry.DataStream is { } data) await data.CopyToAsync(content);
            entries[entry.Name] = new Entry(entry.EntryType, entry.LinkName, entry.Uid, entry.Mode, content.ToArray());
        }

        return entries;
    }
}
