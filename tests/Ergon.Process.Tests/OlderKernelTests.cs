using Ergon.Linux;
using Ergon.Process.Native;
using Ergon.Process.Sandboxing;

namespace Ergon.Process.Tests;

/// <summary>A sandbox made with nothing that came after kernel 5.4.</summary>
public sealed class OlderKernelTests
{
    [Fact]
    public async Task Mounts_that_are_restricted_one_by_one_protect_as_well()
    {
        Assert.SkipUnless(Protections.IsRoot, "Sandboxes need root; run the tests as root.");
        var directory = Directory.CreateTempSubdirectory("older-kernel-").FullName;
        var token = TestContext.Current.CancellationToken;
        using var events = new KernelEvents();
        try
        {
            var (open, closed) = (Directory.CreateDirectory(directory + "/open").FullName, Directory.CreateDirectory(directory + "/closed").FullName);
            foreach (var volume in (string[])[open, closed]) File.SetUnixFileMode(volume, (UnixFileMode)0x1ff);
            var spec = new SandboxSpec
            {
                Directory = directory,
                HostName = "old",
                OwnNetwork = true,
                User = UserIdentity.Nobody,
                Mark = "TEST=older",
                ChangesMountsAtOnce = false,
                MountsProcessesDirectly = false,
            };
            var problems = new RequestProblems();
            var layout = SandboxLayout.Create(
                ["/root", "/var/lib"],
                [new(open, "/usr/share/open", ReadOnly: false, IsDirectory: true, "a"), new(closed, "/closed", ReadOnly: true, IsDirectory: true, "b")],
                problems);
            problems.ThrowIfAny();
            using var sandbox = await Sandbox.CreateAsync(spec, layout, events, token);
            var mounts = MountTable.Parse(await File.ReadAllTextAsync($"/proc/{sandbox.InitId}/mountinfo", token));
            var writable = mounts.Where(m => !m.Options.Split(',').Contains("ro")).Select(m => m.MountPoint).ToList();
            writable.Should().OnlyContain(p => p == "/usr/share/open" || p == "/proc" || p == "/tmp" || p == "/var/tmp" || p == "/run" || p.StartsWith("/dev/") || p.StartsWith("/proc/"));
            mounts.Where(m => !m.MountPoint.StartsWith("/dev") && !m.MountPoint.StartsWith("/proc/")).Should().OnlyContain(m => m.Options.Contains("nosuid") && m.Options.Contains("nodev"));
            File.Exists(sandbox.PathInside("/proc/1/stat")).Should().BeTrue();
            File.Exists(sandbox.PathInside($"/proc/{Environment.ProcessId}/stat")).Should().BeFalse();
            mounts.Should().Contain(m => m.MountPoint == "/closed").And.Contain(m => m.MountPoint == "/usr/share/open");
            await sandbox.DestroyAsync();
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
