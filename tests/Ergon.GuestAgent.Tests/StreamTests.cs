using System.Security.Cryptography;
using Ergon.GuestAgent.Tests.Guests;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests;

public sealed class StreamTests
{
    // Written once and then repeated: making it would take a guest without hardware help longer than sending it.
    private const string PatternScript =
        "yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 1000000 > /one; yes ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 | head -c 1000000 > /two; " +
        "repeat() { i=0; while [ $i -lt 50 ]; do cat $1; i=$((i+1)); done; }; repeat /one & repeat /two >&2; wait";

    private static byte[] Lines(string line, int length) => System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(line + "\n", (length / line.Length) + 1))[..length]);

    private static string ExpectedHash(string line, int length, int times)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var block = Lines(line, length);
        for (var i = 0; i < times; i++) hash.AppendData(block);
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    [Fact]
    public async Task A_hundred_megabytes_on_both_streams_arrive_byte_for_byte()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell(PatternScript));
        await using var _ = guest;
        var begin = TimeProvider.System.GetTimestamp();
        (await client.EndAsync()).ExitCode.Should().Be(0);
        TestContext.Current.SendDiagnosticMessage($"100 MB in {TimeProvider.System.GetElapsedTime(begin).TotalSeconds:f2} s");
        client.Job.Lengths.Should().Equal(50_000_000, 50_000_000);
        Convert.ToHexString(client.Job.Hashes[0].GetHashAndReset()).Should().Be(ExpectedHash("0123456789abcdefghijklmnopqrstuvwxyz", 1_000_000, 50));
        Convert.ToHexString(client.Job.Hashes[1].GetHashAndReset()).Should().Be(ExpectedHash("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 1_000_000, 50));
    }

    [Fact]
    public async Task A_host_that_comes_back_again_and_again_gets_every_byte_once()
    {
        var random = new Random(20);
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 20000000"));
        await using var _ = guest;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long have = 0;
        for (var round = 0; ; round++)
        {
            var stopAt = have + random.Next(1, 3_000_000);
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var current = client;
            var gone = false;
            client.Received = (_, _, length) =>
            {
                if (length < stopAt || gone) return;
                gone = true;
                current.Acknowledges = false;
                reached.TrySetResult();
            };
            var ended = client.EndAsync();
            if (await Task.WhenAny(reached.Task, ended) == ended)
            {
                (await ended).ExitCode.Should().Be(0);
                hash.AppendData(client.Job.Bytes(1));
                have = client.Job.Lengths[0];
                round.Should().BeGreaterThan(3);
                break;
            }

            await client.DisposeAsync();
            hash.AppendData(client.Job.Bytes(1));
            have = client.Job.Lengths[0];
            client = await guest.ConnectAsync(stdout: have);
            (await client.Welcome).State.Should().BeOneOf(GuestState.Started, GuestState.Exited);
        }

        have.Should().Be(20_000_000);
        Convert.ToHexString(hash.GetHashAndReset()).Should().Be(ExpectedHash("0123456789abcdefghijklmnopqrstuvwxyz", 20_000_000, 1));
    }

    [Fact]
    public async Task A_host_that_is_away_while_the_job_ends_is_told_when_it_comes()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("echo ready; sleep 0.5; echo more; exit 5"));
        await using var _ = guest;
        await JobTests.Eventually(() => client.Job.Text(1) == "ready\n");
        await client.DisposeAsync();
        await Task.Delay(2000, TestContext.Current.CancellationToken);
        var second = await guest.ConnectAsync(stdout: 6);
        (await second.Welcome).State.Should().Be(GuestState.Exited);
        (await second.EndAsync()).ExitCode.Should().Be(5);
        second.Job.Text(1).Should().Be("more\n");
        await second.DisposeAsync();
        // And again: it keeps what was not acknowledged for certain, and repeats the end.
        var third = await guest.ConnectAsync(stdout: 11);
        (await third.EndAsync()).ExitCode.Should().Be(5);
        third.Job.Text(1).Should().BeEmpty();
    }

    [Fact]
    public async Task A_job_whose_host_takes_nothing_waits_at_the_window()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("yes | head -c 3000000; echo end >&2"));
        await using var _ = guest;
        await client.DisposeAsync();
        var second = await guest.ConnectAsync();
        second.Acknowledges = false;
        await JobTests.Eventually(() => second.Job.Lengths[0] == GuestProtocol.OutputWindow);
        second.Job.Exited.Task.IsCompleted.Should().BeFalse();
        await second.DisposeAsync();
        var third = await guest.ConnectAsync();
        (await third.EndAsync()).ExitCode.Should().Be(0);
        third.Job.Lengths[0].Should().Be(3_000_000);
        third.Job.Text(2).Should().Be("end\n");
    }

    [Fact]
    public async Task A_host_that_was_cut_off_in_the_middle_of_a_configuration_can_begin_again()
    {
        await using var guest = await TestGuest.BootAsync();
        var client = await guest.ConnectAsync();
        var header = new byte[GuestProtocol.HeaderBytes + 100_000];
        FrameParser.WriteHeader(header, FrameType.Configure, 5_000_000);
        await client.SendRawAsync(header);
        await client.DisposeAsync();
        var second = await guest.ConnectAsync();
        (await second.ConfigureAsync(TestGuest.Shell("echo hello"))).Code.Should().Be(ReplyCode.Done);
        (await second.StartAsync()).Code.Should().Be(ReplyCode.Done);
        (await second.EndAsync()).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task A_guest_without_a_host_does_not_use_the_processor()
    {
        var (guest, client) = await TestGuest.RunAsync(TestGuest.Shell("sleep 4; cat /proc/uptime"));
        await using var _ = guest;
        await client.DisposeAsync();
        await Task.Delay(3000, TestContext.Current.CancellationToken);
        var second = await guest.ConnectAsync();
        await second.EndAsync();
        // Up for so long, idle for so long: most of the four seconds.
        var idle = second.Job.Text(1).Split([' ', '\n'])[1];
        double.Parse(idle, System.Globalization.CultureInfo.InvariantCulture).Should().BeGreaterThan(2.5);
    }
}
