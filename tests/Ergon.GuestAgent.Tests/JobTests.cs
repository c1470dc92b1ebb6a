using Ergon.GuestAgent.Tests.Guests;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests;

public sealed class JobTests
{
    [Fact]
    public async Task A_guest_greets_its_host_and_says_how_far_it_has_come()
    {
        await using var guest = await TestGuest.BootAsync();
        var client = await guest.ConnectAsync();
        var welcome = await client.Welcome;
        welcome.State.Should().Be(GuestState.Booted);
        welcome.Version.Should().Be(GuestProtocol.Version);
        welcome.Kernel.Should().NotBeEmpty();
        welcome.Uptime.Should().BePositive();
    }

    [Fact]
    public async Task A_job_writes_both_streams_and_ends_with_its_code()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("echo out; echo err >&2; exit 7"));
        await using var _ = guest;
        var exit = await client.EndAsync();
        exit.Should().Be(new ExitedMessage(0, 7, null, false, ""));
        client.Job.Text(1).Should().Be("out\n");
        client.Job.Text(2).Should().Be("err\n");
    }
}
