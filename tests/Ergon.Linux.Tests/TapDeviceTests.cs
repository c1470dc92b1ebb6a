using Ergon.Linux.Networking;

namespace Ergon.Linux.Tests;

/// <summary>Real taps.</summary>
public sealed class TapDeviceTests
{
    [Fact]
    public async Task A_tap_is_attached_to_once_a_process_that_is_being_started_has_let_go_of_it()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists(TapDevice.Path), "Taps are made by root, with /dev/net/tun.");
        var name = $"ergon-{Random.Shared.Next(100_000, 999_999)}";
        var first = await TapDevice.AttachAsync(name);
        var second = TapDevice.AttachAsync(name);
        second.IsCompleted.Should().BeFalse("somebody else is attached");

        first.Dispose();

        (await second.WaitAsync(TestContext.Current.CancellationToken)).Dispose();
    }

    [Fact]
    public async Task A_tap_that_somebody_keeps_is_refused()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists(TapDevice.Path), "Taps are made by root, with /dev/net/tun.");
        var name = $"ergon-{Random.Shared.Next(100_000, 999_999)}";
        using var first = await TapDevice.AttachAsync(name);

        (await Assert.ThrowsAsync<LinuxException>(() => TapDevice.AttachAsync(name))).Errno.Should().Be(Errno.Busy);
    }
}
