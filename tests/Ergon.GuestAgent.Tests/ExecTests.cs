using System.Text;
using Ergon.GuestAgent.Tests.Guests;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests;

public sealed class ExecTests
{
    private static ExecMessage Command(params IReadOnlyList<string> arguments) => new(0, 1, arguments, [], null, Stdin: false, Terminal: false, 0, 0);

    private static Task<(TestGuest Guest, GuestClient Client)> SleeperAsync() => TestGuest.RunAsync(TestGuest.Shell("sleep 1000") with { User = "user", Environment = ["FROM=job"] });

    [Fact]
    public async Task A_command_runs_inside_as_the_jobs_user_with_its_environment_and_more()
    {
        var (guest, client) = await SleeperAsync();
        await using var _ = guest;
        var reply = await client.ExecAsync(Command("sh", "-c", "id -u; pwd; echo $FROM $MORE; echo err >&2; exit 3") with { Environment = ["MORE=x"], WorkingDirectory = "/etc" });
        reply.Code.Should().Be(ReplyCode.Done);
        (await client.EndAsync(1)).Should().Be(new ExitedMessage(1, 3, null, false, ""));
        client.Channel(1).Text(1).Should().Be("1000\n/etc\njob x\n");
        client.Channel(1).Text(2).Should().Be("err\n");
    }

    [Fact]
    public async Task A_command_that_does_not_exist_says_so_where_a_shell_would()
    {
        var (guest, client) = await SleeperAsync();
        await using var _ = guest;
        (await client.ExecAsync(Command("/no/such"))).Code.Should().Be(ReplyCode.Done);
        (await client.EndAsync(1)).ExitCode.Should().Be(127);
        client.Channel(1).Text(2).Should().Be("The command '/no/such' was not found.\n");
    }

    [Fact]
    public async Task Input_flows_as_it_is_read_and_its_end_arrives()
    {
        var (guest, client) = await SleeperAsync();
        await using var _ = guest;
        await client.ExecAsync(Command("sha256sum") with { Stdin = true });
        var data = new byte[3_000_000];
        new Random(1).NextBytes(data);
        for (var sent = 0; sent < data.Length;)
        {
            await JobTests.Eventually(() => sent - client.Channel(1).InputAcknowledged < GuestProtocol.InputWindow - 16000);
            var piece = data.AsMemory(sent, Math.Min(16000, data.Length - sent));
            await client.SendAsync(FrameType.Input, w => w.UInt32(1).Raw(piece.Span));
            sent += piece.Length;
        }

        await client.SendAsync(FrameType.InputEnd, w => w.UInt32(1));
        (await client.EndAsync(1)).ExitCode.Should().Be(0);
        client.Channel(1).Text(1).Should().StartWith(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(data)));
    }

    [Fact]
    public async Task A_command_on_a_terminal_has_its_size_and_gets_what_is_typed()
    {
        var (guest, client) = await SleeperAsync();
        await using var _ = guest;
        await client.ExecAsync(Command("sh") with { Stdin = true, Terminal = true, Columns = 91, Rows = 37 });
        await TypeAsync(client, "stty size; tty; echo $TERM\n");
        await JobTests.Eventually(() => client.Channel(1).Text(1).Contains("37 91\r\n/dev/pts/0\r\nxterm\r\n"));
        await client.SendAsync(FrameType.Resize, w => w.UInt32(1).Int32(120).Int32(50));
        await TypeAsync(client, "stty size\n");
        await JobTests.Eventually(() => client.Channel(1).Text(1).Contains("50 120\r\n"));
        await TypeAsync(client, "echo g''o; sleep 100\n");
        await JobTests.Eventually(() => client.Channel(1).Text(1).Contains("\ngo\r\n"));
        await TypeAsync(client, "\u0003");
        await TypeAsync(client, "exit 9\n");
        (await client.EndAsync(1)).ExitCode.Should().Be(9);
    }

    [Fact]
    public async Task The_end_of_input_ends_a_shell_on_a_terminal()
    {
        var (guest, client) = await SleeperAsync();
        await using var _ = guest;
        await client.ExecAsync(Command("cat") with { Stdin = true, Terminal = true, Columns = 80, Rows = 24 });
        await TypeAsync(client, "hello\n");
        await JobTests.Eventually(() => client.Channel(1).Text(1).Contains("hello\r\nhello\r\n"));
        await client.SendAsync(FrameType.InputEnd, w => w.UInt32(1));
        (await client.EndAsync(1)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task Closing_a_channel_kills_its_command()
    {
        var (guest, client) = await SleeperAsync();
        await using var _ = guest;
        await client.ExecAsync(Command("sh", "-c", "echo ready; sleep 777; true"));
        await JobTests.Eventually(() => client.Channel(1).Text(1) == "ready\n");
        await client.SendAsync(FrameType.Close, w => w.UInt32(1));
        await client.ExecAsync(Command("sh", "-c", "while pgrep -f 'sleep 77[7]' >/dev/null; do sleep 0.05; done; echo gone") with { Channel = 2 });
        await client.EndAsync(2);
        client.Channel(2).Text(1).Should().Be("gone\n");
    }

    [Fact]
    public async Task A_new_connection_ends_the_commands_of_the_former()
    {
        var (guest, client) = await SleeperAsync();
        await using var _ = guest;
        await client.ExecAsync(Command("sh", "-c", "echo ready; sleep 777; true"));
        await JobTests.Eventually(() => client.Channel(1).Text(1) == "ready\n");
        await client.DisposeAsync();
        var second = await guest.ConnectAsync();
        await second.ExecAsync(Command("sh", "-c", "while pgrep -f 'sleep 77[7]' >/dev/null; do sleep 0.05; done; echo gone"));
        await second.EndAsync(1);
        second.Channel(1).Text(1).Should().Be("gone\n");
    }

    [Fact]
    public async Task Commands_end_with_the_job()
    {
        var (guest, client) = await SleeperAsync();
        await using var _ = guest;
        await client.ExecAsync(Command("sleep", "1000"));
        await client.KillAsync();
        (await client.EndAsync()).Signal.Should().Be(9);
        (await client.EndAsync(1)).Signal.Should().Be(9);
        (await client.ExecAsync(Command("true") with { Channel = 2 })).Code.Should().Be(ReplyCode.Failed);
    }

    private static Task TypeAsync(GuestClient client, string text) => client.SendAsync(FrameType.Input, w => w.UInt32(1).Raw(Encoding.UTF8.GetBytes(text)));
}
