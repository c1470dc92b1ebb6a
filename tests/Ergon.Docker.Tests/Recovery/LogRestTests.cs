using System.Text;
using CsCheck;
using Ergon.Drivers;

namespace Ergon.Docker.Tests.Recovery;

/// <summary>What has been taken before is not taken twice, also when the Engine forgot some of it in a restart.</summary>
public sealed class LogRestTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly string[] Parts = ["a", "bc", "\n", "def\n", "\n\n", "g"];
    private static readonly Gen<string> Text = Gen.Int[0, 5].Select(i => Parts[i]).Array[0, 12].Select(string.Concat);

    [Fact]
    public Task The_rest_begins_where_the_former_process_had_come_to() =>
        Gen.Select(Text, Gen.Int[0, 40]).SampleAsync(async (written, taken) =>
        {
            taken = Math.Min(taken, written.Length);
            var sink = new Sink(written[..taken]);
            await ReadAsync(sink, [], [(Start, written)]);
            sink.Text.Should().Be(written);
        });

    [Fact]
    public Task A_restart_loses_only_what_nobody_had() =>
        Gen.Select(Text, Text, Text, Gen.Int[0, 40], Gen.Int[0, 40]).SampleAsync(async (before, between, after, taken, takenAgain) =>
        {
            // The Engine has noted whole lines, and forgets the line that it was in.
            var noted = (Before: Whole(before), Between: Whole(between));
            taken = Math.Min(taken, before.Length);
            var sink = new Sink(before[..taken]);
            List<LogGap> gaps = [new(Start.AddMinutes(1), taken, taken)];
            var first = Math.Max(noted.Before.Length, taken);
            takenAgain = first + Math.Min(takenAgain, between.Length);
            await sink.WriteAsync(OutputStream.Stdout, Encoding.ASCII.GetBytes((before[..first] + between)[taken..takenAgain]), default);
            gaps.Add(new LogGap(Start.AddMinutes(3), takenAgain, takenAgain));

            await ReadAsync(sink, gaps, [(Start, noted.Before), (Start.AddMinutes(2), noted.Between), (Start.AddMinutes(4), after)]);
            var second = Math.Max(first + noted.Between.Length, takenAgain);
            sink.Text.Should().Be((before[..first] + between)[..second] + after);
        });

    private static string Whole(string text) => text[..(text.LastIndexOf('\n') + 1)];

    private static async Task ReadAsync(Sink sink, IReadOnlyList<LogGap> gaps, IEnumerable<(DateTimeOffset At, string Text)> log)
    {
        var rest = new LogRest(OutputStream.Stdout, sink, gaps);
        foreach (var (at, text) in log)
            foreach (var line in Lines(text))
                await rest.WriteAsync(Encoding.ASCII.GetBytes($"{at:yyyy-MM-ddTHH:mm:ss}.000000000Z {line}"), default);
        await rest.CompleteAsync(default);
    }

    // With their newlines.
    private static IEnumerable<string> Lines(string text)
    {
        for (int start = 0, end; start < text.Length; start = end)
        {
            end = text.IndexOf('\n', start) + 1;
            if (end == 0) end = text.Length;
            yield return text[start..end];
        }
    }

    private sealed class Sink(string taken) : IOutputSink
    {
        private readonly StringBuilder _text = new(taken);

        public string Text => _text.ToString();

        public ValueTask WriteAsync(OutputStream stream, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            _text.Append(Encoding.ASCII.GetString(data.Span));
            return ValueTask.CompletedTask;
        }

        public int Append(OutputStream stream, OutputSource source) => throw new NotSupportedException();

        public byte[] ReadEnd(int maxBytes) => throw new NotSupportedException();

        public long GetPosition(OutputStream stream) => _text.Length;
    }
}
