using CsCheck;
using Ergon.GuestAgent.Channel;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests;

public sealed class ReceiverTests
{
    private static readonly byte[] Padding = new byte[GuestProtocol.HeaderBytes + GuestProtocol.MaxHostPayload];
    private static readonly byte[] Hello = Frame(FrameType.Hello, new HelloMessage(1, new byte[16], 5, new byte[64], 7, 9).Encode().ToArray());

    private static byte[] Frame(FrameType type, byte[] payload)
    {
        var frame = new byte[GuestProtocol.HeaderBytes + payload.Length];
        FrameParser.WriteHeader(frame, type, payload.Length);
        payload.CopyTo(frame, GuestProtocol.HeaderBytes);
        return frame;
    }

    private static List<(FrameType Type, int Length)> Receive(byte[] bytes, int piece)
    {
        var frames = new List<(FrameType, int)>();
        var receiver = new FrameReceiver((type, payload) => frames.Add((type, payload.Length)));
        for (var at = 0; at < bytes.Length;)
        {
            var free = receiver.Free;
            var count = Math.Min(Math.Min(piece, free.Length), bytes.Length - at);
            bytes.AsSpan(at, count).CopyTo(free);
            receiver.Commit(count);
            at += count;
        }

        return frames;
    }

    [Theory]
    [InlineData(7, GuestProtocol.MaxHostPayload)]
    [InlineData(6, 40)]
    [InlineData(2, 2_000_000)]
    public void A_greeting_is_found_wherever_the_former_host_was_cut_off(int type, int length)
    {
        var frame = Frame((FrameType)type, [.. Enumerable.Repeat((byte)0x41, length)]);
        Gen.Select(Gen.Int[0, frame.Length], Gen.Int[1, 70_000]).Sample(
            (cut, piece) =>
            {
                byte[] stream = [.. Hello, .. frame[..cut], .. Padding, .. Hello, .. Frame(FrameType.Start, new byte[4])];
                var frames = Receive(stream, piece);
                frames[^2..].Should().Equal((FrameType.Hello, Hello.Length - GuestProtocol.HeaderBytes), (FrameType.Start, 4));
            },
            iter: 60);
    }

    [Fact]
    public void A_large_configuration_arrives_whole()
    {
        byte[] stream = [.. Hello, .. Frame(FrameType.Configure, [.. Enumerable.Repeat((byte)7, GuestProtocol.MaxConfigurationPayload)]), .. Frame(FrameType.Start, new byte[4])];
        Receive(stream, 64 * 1024).Select(f => f.Type).Should().Equal(FrameType.Hello, FrameType.Configure, FrameType.Start);
    }

    [Fact]
    public void Any_bytes_end_in_order_with_the_next_greeting() =>
        Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[1, 400]).Sample(
            (rubbish, piece) =>
            {
                // A header of rubbish may announce one frame; the padding completes it.
                var frames = Receive([.. rubbish, .. Padding, .. Hello], piece);
                frames.Should().HaveCountGreaterThan(0);
                frames[^1].Type.Should().Be(FrameType.Hello);
            },
            iter: 2000);
}
