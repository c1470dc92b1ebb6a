using System.Net.Sockets;
using System.Text;
using Ergon.MicroVm.Qemu;

namespace Ergon.MicroVm.Tests.Qemu;

/// <summary>QEMU's monitor, which a guest may have taken over: nothing it says is lost, and nothing it says makes a caller hang.</summary>
public sealed class QmpConnectionTests : IAsyncLifetime
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"qmp-{Guid.NewGuid():n}.sock");
    private Socket _monitor = null!;
    private StreamReader _asked = null!;
    private QmpConnection _connection = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_path));
        listener.Listen();
        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(new UnixDomainSocketEndPoint(_path), Token);
        _monitor = await listener.AcceptAsync(Token);
        _asked = new StreamReader(new NetworkStream(_monitor));
        await SayAsync("""{"QMP":{}}""");
        var connecting = QmpConnection.ConnectAsync(new NetworkStream(client, ownsSocket: true), TimeProvider.System, Token);
        await AnswerAsync(1, "{}");
        _connection = await connecting;
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        _monitor.Dispose();
        File.Delete(_path);
    }

    [Fact]
    public async Task Events_that_come_at_once_are_each_seen_in_their_order()
    {
        using var events = _connection.Watch("MIGRATION");
        await SayAsync(string.Concat(new[] { "setup", "active", "device", "completed" }.Select(s => $$$"""{"event":"MIGRATION","data":{"status":"{{{s}}}"}}{{{"\n"}}}""")).TrimEnd());
        var seen = new List<string?>();
        while (seen.Count < 4)
        {
            // As under load: they have all been read before the first is asked for.
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Token);
            seen.Add((await events.NextAsync(Token)).GetProperty("status").GetString());
        }

        seen.Should().Equal("setup", "active", "device", "completed");
    }

    [Fact]
    public async Task An_event_is_for_those_who_watch_its_name_and_as_long_as_they_do()
    {
        var gone = _connection.Watch("STOP");
        gone.Dispose();
        using var stops = _connection.Watch("STOP");
        using var resumes = _connection.Watch("RESUME");
        await SayAsync("""{"event":"RESUME"}""");
        await SayAsync("""{"event":"STOP","data":{"n":1}}""");
        (await stops.NextAsync(Token)).GetProperty("n").GetInt32().Should().Be(1);
        (await resumes.NextAsync(Token)).ValueKind.Should().Be(System.Text.Json.JsonValueKind.Undefined);
    }

    [Theory]
    [InlineData("""{"id":2,"error":{"class":"GenericError","desc":"No such disk"}}""", "No such disk")]
    [InlineData("""{"id":2}""", "neither a value nor an error")]
    [InlineData("hello", "no JSON")]
    [InlineData("", "no JSON")]
    [InlineData("[1]", "no message")]
    [InlineData("7", "no message")]
    [InlineData("""{"event":7}""", "no message")]
    [InlineData("""{"id":2,"error":7}""", "no message")]
    [InlineData(null, "closed its monitor")]
    public async Task What_is_no_answer_is_an_error(string? answer, string reason)
    {
        using var events = _connection.Watch("STOP");
        var asking = _connection.ExecuteAsync("stop", Token);
        await _asked.ReadLineAsync(Token);
        if (answer is null) _monitor.Shutdown(SocketShutdown.Both);
        else await SayAsync(answer);
        (await Assert.ThrowsAsync<IOException>(() => asking)).Message.Should().Contain(reason);
        if (reason is "No such disk" or "neither a value nor an error") return;
        // Whoever waits for an event or asks later is told too.
        await Assert.ThrowsAsync<IOException>(() => events.NextAsync(Token));
        using var late = _connection.Watch("STOP");
        await Assert.ThrowsAsync<IOException>(() => late.NextAsync(Token));
        await Assert.ThrowsAsync<IOException>(() => _connection.ExecuteAsync("cont", Token));
    }

    [Fact]
    public async Task An_endless_line_is_an_error_and_not_kept()
    {
        var asking = _connection.ExecuteAsync("stop", Token);
        var piece = new byte[64 * 1024];
        Array.Fill(piece, (byte)' ');
        var sending = Task.Run(
            async () =>
            {
                for (var i = 0; i < 64; i++) await _monitor.SendAsync(piece, Token);
            },
            Token);
        (await Assert.ThrowsAsync<IOException>(() => asking)).Message.Should().Contain("endless line");
        await _connection.DisposeAsync();
        // Nobody reads any more.
        await Task.WhenAny(sending);
    }

    private async Task AnswerAsync(int id, string value)
    {
        await _asked.ReadLineAsync(Token);
        await SayAsync($$"""{"id":{{id}},"return":{{value}}}""");
    }

    private async Task SayAsync(string line) => await _monitor.SendAsync(Encoding.UTF8.GetBytes(line + "\n"), Token);
}
