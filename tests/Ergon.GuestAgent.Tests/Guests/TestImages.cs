using CliWrap;

namespace Ergon.GuestAgent.Tests.Guests;

/// <summary>Disks for guests: a root image with busybox and some users, empty scratch disks.</summary>
internal static class TestImages
{
    private const string Passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:User:/home/user:/bin/sh\n";
    private const string Group = "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n";

    private static readonly Lock Lock = new();
    private static Task<string>? _root;

    public static Task<string> RootAsync()
    {
        lock (Lock) return _root ??= MakeRootAsync();
    }

    /// <summary>Makes an empty ext4 disk.</summary>
    public static async Task<string> MakeScratchAsync(string file, string size = "256M")
    {
        await Cli.Wrap("mke2fs").WithArguments(["-q", "-t", "ext4", "-b", "4096", "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard", file, size]).ExecuteAsync();
        return file;
    }

    /// <summary>Makes a read-only image of a directory.</summary>
    public static async Task<string> MakeImageAsync(string directory, string file)
    {
        await (Cli.Wrap("tar").WithArguments(["-C", directory, "--owner=0", "--group=0", "-cf", "-", "."]) | Cli.Wrap("tar2sqfs").WithArguments(["-q", "-f", "-c", "lz4", file])).ExecuteAsync();
        return file;
    }

    private static async Task<string> MakeRootAsync()
    {
        var root = Directory.CreateDirectory(Path.Combine(TestKernel.WorkDirectory, "root")).FullName;
        foreach (var directory in (string[])["bin", "etc", "home/user", "root"]) Directory.CreateDirectory(Path.Combine(root, directory));
        await Cli.Wrap("busybox").WithArguments(["cp", (await WhichAsync("busybox")).Trim(), Path.Combine(root, "bin/busybox")]).ExecuteAsync();
        await Cli.Wrap("busybox").WithArguments(["sh", "-c", $"for a in $(busybox --list); do [ $a = busybox ] || ln -sf busybox {root}/bin/$a; done"]).ExecuteAsync();
        await File.WriteAllTextAsync(Path.Combine(root, "etc/passwd"), Passwd);
        await File.WriteAllTextAsync(Path.Combine(root, "etc/group"), Group);
        File.CreateSymbolicLink(Path.Combine(root, "etc/resolv.conf"), "../run/nowhere/resolv.conf");
        return await MakeImageAsync(root, Path.Combine(TestKernel.WorkDirectory, "root.sqfs"));
    }

    private static async Task<string> WhichAsync(string program)
    {
        var text = new System.Text.StringBuilder();
        await Cli.Wrap("which").WithArguments([program]).WithStandardOutputPipe(PipeTarget.ToStringBuilder(text)).ExecuteAsync();
        return text.ToString();
    }
}
