using System.Buffers;
using CsCheck;
using Ergon.GuestAgent.Tests.Guests;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests;

public sealed class ProtocolTests
{
    private static readonly GuestConfiguration Configuration = TestGuest.Shell("exit") with
    {
        Inputs = [new GuestInput(new GuestDisk("in0", 2), "file", "/in")], Outputs = ["/out", "/more"], Network = new GuestNetwork("10.0.0.2", 24, "10.0.0.1"),
        NameServers = ["10.0.0.1"], Hosts = ["10.0.0.3 db"], Environment = ["A=b", "Ü=ö"], User = "user:group", Capabilities = ["NET_ADMIN"],
        Memory = 1 << 30, Pids = 5, Cpu = 1.5, Scripts = [new GuestScript("setup", "echo"u8.ToArray())], ReadOnlyRoot = true,
    };

    private static readonly HelloMessage Hello = new(1, new byte[16], 5, new byte[32], 7, 9);
    private static readonly ExecMessage Exec = new(3, 4, ["a", ""], ["B=c"], "/", true, true, 80, 24);
    private static readonly WelcomeMessage Welcome = new(1, new byte[16], GuestState.Started, "6.1.0", 12345, 678);
    private static readonly ReplyMessage Reply = new(6, ReplyCode.Failed, "why", "body"u8.ToArray());
    private static readonly ExitedMessage Exited = new(0, null, 9, true, "killed");
    private static readonly GuestStats Stats = new(1, 2, null, 4, 5, null, 7);

    /// <summary>Every message with what reads it.</summary>
    private static readonly (byte[] Payload, Action<byte[]> Decode)[] Messages =
    [
        (Configuration.Encode().ToArray(), p => GuestConfiguration.Decode(p)),
        (Hello.Encode().ToArray(), p => HelloMessage.Decode(p)),
        (Exec.Encode().ToArray(), p => ExecMessage.Decode(p)),
        (Welcome.Encode().ToArray(), p => WelcomeMessage.Decode(p)),
        (Reply.Encode().ToArray(), p => ReplyMessage.Decode(p)),
        (Exited.Encode().ToArray(), p => ExitedMessage.Decode(p)),
        (Stats.Encode().ToArray(), p => GuestStats.Decode(p)),
    ];

    [Fact]
    public void Every_message_is_read_as_it_was_written()
    {
        GuestConfiguration.Decode(Configuration.Encode().Span).Should().BeEquivalentTo(Configuration, o => o.WithStrictOrdering().Using<ReadOnlyMemory<byte>>(c => c.Subject.ToArray().Should().Equal(c.Expectation.ToArray())).WhenTypeIs<ReadOnlyMemory<byte>>());
        ExecMessage.Decode(Exec.Encode().Span).Should().BeEquivalentTo(Exec);
        HelloMessage.Decode(Hello.Encode().Span).Stdout.Should().Be(7);
        WelcomeMessage.Decode(Welcome.Encode().Span).Kernel.Should().Be("6.1.0");
        ReplyMessage.Decode(Reply.Encode().Span).Body.ToArray().Should().Equal("body"u8.ToArray());
        ExitedMessage.Decode(Exited.Encode().Span).Should().Be(Exited);
        GuestStats.Decode(Stats.Encode().Span).Should().Be(Stats);
    }

    [Fact]
    public void A_greeting_begins_with_its_mark() => GuestProtocol.HelloMark.ToArray().Should().Equal([1, .. "ergon/guest/hello\n"u8]);

    [Fact]
    public void Whatever_is_done_to_a_message_only_the_protocols_own_error_comes_of_it() =>
        Gen.Select(Gen.Int[0, Messages.Length - 1], Gen.Int[0, 1000], Gen.Byte.Array[0, 24], Gen.Int[0, 3]).Sample(
            (which, position, bytes, how) =>
            {
                var (payload, decode) = Messages[which];
                try
                {
                    decode(Damage(payload, position % (payload.Length + 1), bytes, how));
                }
                catch (ProtocolException)
                {
                    // That is the one that may.
                }
            },
            iter: 200_000);

    private static byte[] Damage(byte[] payload, int at, byte[] bytes, int how) => how switch
    {
        0 => payload[..at],
        1 => [.. payload[..at], .. bytes, .. payload[at..]],
        2 => [.. payload[..at], .. bytes, .. payload[Math.Min(payload.Length, at + bytes.Length)..]],
        _ => [.. payload[..at], .. payload[Math.Min(payload.Length, at + bytes.Length)..]],
    };

    [Fact]
    public void Frames_are_found_however_the_bytes_are_cut()
    {
        byte[] stream = [.. Frame(FrameType.Reply, [1, 2, 3]), 0, 0, 0, .. Frame(FrameType.Output, []), .. Frame(FrameType.Exited, new byte[300])];
        Gen.Int[1, 7].Array[1, 500].Sample(pieces =>
        {
            var found = new List<(FrameType, int)>();
            var (have, at) = (Array.Empty<byte>(), 0);
            foreach (var piece in pieces.Append(stream.Length))
            {
                var next = Math.Min(stream.Length, at + piece);
                have = [.. have, .. stream[at..next]];
                at = next;
                var buffer = new ReadOnlySequence<byte>(have);
                while (FrameParser.TryTake(ref buffer, _ => 1000, out var type, out var payload)) found.Add((type, (int)payload.Length));
                have = buffer.ToArray();
            }

            found.Should().Equal((FrameType.Reply, 3), (FrameType.Output, 0), (FrameType.Exited, 300));
        });
    }

    [Fact]
    public void A_frame_that_is_longer_than_allowed_is_refused_before_it_is_read()
    {
        var buffer = new ReadOnlySequence<byte>(Frame(FrameType.Output, new byte[101])[..GuestProtocol.HeaderBytes]);
        FluentRefusal(buffer).Should().Throw<ProtocolException>().WithMessage("*101*");
    }

    private static Action FluentRefusal(ReadOnlySequence<byte> buffer) => () => FrameParser.TryTake(ref buffer, _ => 100, out _, out _);

    private static byte[] Frame(FrameType type, byte[] payload)
    {
        var frame = new byte[GuestProtocol.HeaderBytes + payload.Length];
        FrameParser.WriteHeader(frame, type, payload.Length);
        payload.CopyTo(frame, GuestProtocol.HeaderBytes);
        return frame;
    }
}
