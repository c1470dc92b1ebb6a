using Ergon.Process.Sandboxing;

namespace Ergon.Process.Tests;

/// <summary>Where volumes appear in a file system that cannot be written.</summary>
public sealed class VolumeTests : ProcessTests
{
    public VolumeTests() => SkipWithoutRoot();

    [Theory]
    [InlineData("/data")]
    [InlineData("/new/and/deep/down")]
    [InlineData("/usr/share/new/directory")]
    [InlineData("/etc/new")]
    [InlineData("/opt")]
    [InlineData("/home/someone/project")]
    [InlineData("/root")]
    [InlineData("/tmp")]
    [InlineData("/tmp/a/b")]
    [InlineData("/run/a")]
    [InlineData("/dev/shm/a")]
    [InlineData("/bin/new")]
    [InlineData("/var/run/through-a-link")]
    public async Task A_volume_appears_at_any_absolute_target(string target)
    {
        var source = NewDirectory();
        await File.WriteAllTextAsync(Path.Combine(source, "file"), "content", Token);
        var request = Script($"cat {target}/file && [ -x /bin/sh -a -f /etc/passwd -a -d /usr/share ]");
        (await OutputAsync(request with { Inputs = [new StorageVolume { Source = source, Target = target }] })).Should().Be("content");
    }

    [Theory]
    [InlineData("/a-file")]
    [InlineData("/etc/passwd")]
    [InlineData("/etc/new-file")]
    [InlineData("/tmp/x/file")]
    public async Task A_file_can_be_a_volume(string target)
    {
        var source = Path.Combine(NewDirectory(), "file");
        await File.WriteAllTextAsync(source, "content", Token);
        (await OutputAsync(Request("cat", target) with { Inputs = [new StorageVolume { Source = source, Target = target, ReadOnly = true }] })).Should().Be("content");
    }

    [Fact]
    public async Task Only_what_is_not_read_only_can_be_written()
    {
        var (open, closed) = (NewDirectory(), NewDirectory());
        foreach (var directory in (string[])[open, closed]) File.SetUnixFileMode(directory, (UnixFileMode)0x1ff);
        var result = await RunAsync(Script("echo x > /open/a && ! echo x > /closed/a") with
        {
            Inputs = [new StorageVolume { Source = open, Target = "/open" }, new StorageVolume { Source = closed, Target = "/closed", ReadOnly = true }],
        });
        result.ExitCode.Should().Be(0);
        Directory.GetFiles(open).Should().ContainSingle();
        Directory.GetFiles(closed).Should().BeEmpty();
    }

    [Fact]
    public async Task A_volume_can_lie_inside_another()
    {
        var (outer, inner) = (NewDirectory(), NewDirectory());
        Directory.CreateDirectory(Path.Combine(outer, "place"));
        await File.WriteAllTextAsync(Path.Combine(inner, "file"), "inner", Token);
        var inputs = new[] { new StorageVolume { Source = inner, Target = "/outer/place" }, new StorageVolume { Source = outer, Target = "/outer" } };
        (await OutputAsync(Script("cat /outer/place/file") with { Inputs = inputs })).Should().Be("inner");
        var error = await Assert.ThrowsAsync<ExecutorException>(() => RunAsync(Script("true") with { Inputs = [inputs[0] with { Target = "/outer/nowhere" }, inputs[1]] }));
        error.Message.Should().Contain("nowhere").And.Contain("create");
    }

    [Theory]
    [InlineData("/proc/x")]
    [InlineData("/sys")]
    [InlineData("/dev/null")]
    [InlineData("/etc/../proc")]
    [InlineData("/etc/passwd")]
    public async Task A_target_that_cannot_work_is_refused(string target)
    {
        var request = Script("true") with { Inputs = [new StorageVolume { Source = NewDirectory(), Target = target }] };
        (await Assert.ThrowsAsync<ExecutorException>(() => RunAsync(request))).Code.Should().Be(ErrorCode.InvalidRequest);
    }

    [Fact]
    public async Task Devices_in_a_volume_do_not_work()
    {
        var source = NewDirectory();
        using var mknod = System.Diagnostics.Process.Start("mknod", ["-m", "666", Path.Combine(source, "null"), "c", "1", "3"]);
        await mknod.WaitForExitAsync(Token);
        (await RunAsync(Script("echo x > /data/null") with { Inputs = [new StorageVolume { Source = source, Target = "/data" }] })).ExitCode.Should().NotBe(0);
    }

    [Fact]
    public void Links_on_the_way_to_a_target_are_followed_as_the_job_follows_them()
    {
        var problems = new RequestProblems();
        var layout = SandboxLayout.Create([], [new("/etc", "/var/run/x", ReadOnly: true, IsDirectory: true, "a"), new("/etc", "/proc/../tmp/./y/", ReadOnly: true, IsDirectory: true, "b")], problems);
        problems.Count.Should().Be(0);
        layout.Volumes.Select(v => v.Target).Should().BeEquivalentTo("/run/x", "/tmp/y");
    }

    [Fact]
    public void Hidden_directories_below_the_top_are_replaced()
    {
        var layout = SandboxLayout.Create(["/usr/share", "/usr/share/doc", "/nowhere", "/tmp/x", "/proc"], [], new RequestProblems());
        layout.Hidden.Should().Equal("/usr/share");
    }
}
