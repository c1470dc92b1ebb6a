using System.Formats.Tar;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using CliWrap;
using Ergon.Images.Files;

namespace Ergon.Images.Tests.Files;

/// <summary>Directories of the host as block images.</summary>
public sealed partial class DirectoryImageTests : ImageTests
{
    private string Root => System.IO.Directory.CreateDirectory(Path.Combine(Scratch, "root")).FullName;

    [Fact]
    public async Task A_directory_arrives_with_links_that_are_not_followed()
    {
        Write("a/file", "content", (UnixFileMode)0b111_000_001);
        Write("größe", "unicode");
        Write("empty", "");
        File.CreateSymbolicLink(Path.Combine(Root, "out"), "/etc/passwd");
        System.IO.Directory.CreateSymbolicLink(Path.Combine(Root, "up"), "..");
        await Cli.Wrap("ln").WithArguments([Path.Combine(Root, "a/file"), Path.Combine(Root, "hard")]).ExecuteAsync(Token);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(Root, "socket")));
        var image = await BuildAsync();
        image.Names.Should().Equal("a/", "a/file", "empty", "größe", "hard", "out", "up");
        image.Text("größe").Should().Be("unicode");
        image["a/file"].Mode.Should().Be((UnixFileMode)0b111_000_001);
        image["out"].Should().Match<TarEntry>(e => e.EntryType == TarEntryType.SymbolicLink && e.LinkName == "/etc/passwd");
        image["up"].LinkName.Should().Be("..");
        new[] { image["a/file"], image["hard"] }.Count(e => e.EntryType == TarEntryType.HardLink).Should().Be(1);
    }

    [Fact]
    public async Task Only_a_root_file_system_may_have_special_files()
    {
        await Cli.Wrap("mkfifo").WithArguments([Path.Combine(Root, "pipe")]).ExecuteAsync(Token);
        (await Assert.ThrowsAsync<InvalidDataException>(() => BuildAsync())).Message.Should().Contain("'pipe' is a device or a named pipe");
        (await BuildAsync(new DirectoryImageOptions { IsRoot = true }))["pipe"].EntryType.Should().Be(TarEntryType.Fifo);
    }

    [Fact]
    public async Task Too_much_is_refused()
    {
        Write("big", new string('x', 1000));
        (await Assert.ThrowsAsync<InvalidDataException>(() => BuildAsync(new DirectoryImageOptions { MaxBytes = 999 }))).Message.Should().Contain("more than the 999 bytes");
    }

    [Fact]
    public async Task A_file_that_changes_while_it_is_read_is_an_error()
    {
        Write("changing", new string('x', 5_000_000));
        var error = await Assert.ThrowsAsync<InvalidDataException>(() =>
            DirectoryImage.BuildAsync(Root, Path.Combine(Scratch, "image"), new(), _ => File.AppendAllText(Path.Combine(Root, "changing"), "more"), Token));
        error.Message.Should().Contain("'changing' changed while it was read");
        error = await Assert.ThrowsAsync<InvalidDataException>(() =>
            DirectoryImage.BuildAsync(Root, Path.Combine(Scratch, "image"), new(), _ => File.WriteAllText(Path.Combine(Root, "changing"), "short"), Token));
        error.Message.Should().Contain("shorter");
    }

    [Fact]
    public async Task A_directory_that_is_not_there_is_an_error()
    {
        (await RefusalAsync($"rootfs:{Scratch}/nowhere")).Message.Should().Contain("No such file");
        var error = await Assert.ThrowsAsync<ExecutorException>(() => DirectoryImage.BuildAsync(Path.Combine(Scratch, "nowhere"), Path.Combine(Scratch, "image"), new(), static _ => { }, Token));
        error.Message.Should().Contain("nowhere");
    }

    [Fact]
    public async Task A_root_directory_is_made_again_when_it_has_changed_and_only_then()
    {
        Write("etc/hostname", "first");
        var store = NewStore();
        string first, again, changed;
        using (var lease = await store.FromDirectoryAsync(Root, static _ => { }, Token)) first = lease.Digest;
        using (var lease = await GetAsync("rootfs:" + Root, store: store)) again = lease.Digest;
        Write("etc/hostname", "other");
        using (var lease = await GetAsync("rootfs:" + Root, store: store))
        {
            changed = lease.Digest;
            (await BlockImage.ReadAsync(lease.Path)).Text("etc/hostname").Should().Be("other");
        }

        again.Should().Be(first);
        changed.Should().NotBe(first);
    }

    [Fact]
    public async Task Extended_attributes_of_a_root_directory_are_kept()
    {
        Write("bin/ping", "x");
        var set = SetAttribute(Path.Combine(Root, "bin/ping"), "user.note", "hello"u8, 5, 0);
        Assert.SkipUnless(set == 0, "The file system of the temporary directory has no user attributes.");
        using var lease = await GetAsync("rootfs:" + Root);
        (await (await BlockImage.ReadAsync(lease.Path)).AttributesAsync("bin/ping")).Should().Contain("user.note").And.Contain("hello");
    }

    [LibraryImport("libc", EntryPoint = "setxattr", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetAttribute(string path, string name, ReadOnlySpan<byte> value, nuint size, int flags);

    private async Task<BlockImage> BuildAsync(DirectoryImageOptions? options = null)
    {
        var image = Path.Combine(Scratch, "image.squashfs");
        await DirectoryImage.BuildAsync(Root, image, options ?? new(), static _ => { }, Token);
        return await BlockImage.ReadAsync(image);
    }

    private void Write(string name, string content, UnixFileMode mode = (UnixFileMode)0b110_100_100)
    {
        var path = Path.Combine(Root, name);
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, mode);
    }
}
