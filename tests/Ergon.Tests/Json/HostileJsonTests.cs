using System.Text;
using CsCheck;

namespace Ergon.Tests.Json;

/// <summary>Whatever the bytes are, there is a value or an <see cref="ErrorCode.InvalidRequest"/>, and never another exception.</summary>
public sealed class HostileJsonTests
{
    private const int Times = 5_000;

    // Pieces that are whole tokens, so that a mutated text often stays JSON and gets past the parser.
    private static readonly byte[][] Tokens =
    [
        .. new[]
        {
            "null", "true", "0", "-1", "1e999", "-1e-999", "9223372036854775808", "1.5", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "\"256m\"", "\"30s\"",
            "\"\\\"\"", "[]", "{}", "[", "]", "{", "}", ",", ":", "\"", "\\", "\"job_id\":1,", "\"JobID\":\"\",", "\"a\":{\"a\":[1]},", "\uFEFF", "\0",
        }.Select(Encoding.UTF8.GetBytes),
        [0xff], [0xc3], [0xed, 0xa0, 0x80],
    ];

    private static readonly Gen<byte[]> Token = Gen.Int[0, Tokens.Length - 1].Select(i => Tokens[i]);

    private static readonly Gen<byte[]> Json = Gen.OneOf(
        Generated.Request.Select(ErgonJson.SerializeRequest),
        Generated.Result.Select(ErgonJson.SerializeResult),
        Generated.Event.Select(ErgonJson.SerializeEvent),
        Generated.Fingerprint.Select(ErgonJson.SerializeFingerprint),
        Generated.Stats.Select(ErgonJson.SerializeStats));

    private static readonly Gen<(int Kind, double At, int Length, byte[] Token)> Mutation = Gen.Select(
        Gen.Int[0, 3], Gen.Double[0, 1], Gen.Int[1, 12], Gen.OneOf(Token, Gen.Byte.Array[1, 3]));

    [Fact]
    public void Valid_JSON_that_was_damaged_is_read_or_refused() =>
        Gen.Select(Json, Mutation.List[1, 4], (json, mutations) => mutations.Aggregate(json, Mutate)).Sample(ReadEverything, iter: Times);

    [Fact]
    public void Random_bytes_are_read_or_refused() => Gen.Byte.Array[0, 60].Sample(ReadEverything, iter: Times);

    [Fact]
    public void Random_tokens_are_read_or_refused() =>
        Token.List[0, 12].Select(tokens => tokens.SelectMany(t => t).ToArray()).Sample(ReadEverything, iter: Times);

    [Fact]
    public void Every_beginning_of_a_request_but_the_whole_is_refused() => Generated.Request.Sample(
        request =>
        {
            var json = ErgonJson.SerializeRequest(request);
            for (var length = 0; length < json.Length; length++)
            {
                var read = () => ErgonJson.ParseRequest(json.AsMemory(0, length));
                read.Should().Throw<ExecutorException>();
            }
        },
        iter: 2);

    private static byte[] Mutate(byte[] json, (int Kind, double At, int Length, byte[] Token) mutation)
    {
        var at = (int)(mutation.At * json.Length);
        var end = Math.Min(at + mutation.Length, json.Length);
        return mutation.Kind switch
        {
            0 => [.. json[..at], .. json[end..]],
            1 => [.. json[..at], .. mutation.Token, .. json[end..]],
            2 => [.. json[..at], .. mutation.Token, .. json[at..]],
            _ => [.. json[..end], .. json[at..]],
        };
    }

    private static void ReadEverything(byte[] json)
    {
        Try(() => ErgonJson.SerializeRequest(ErgonJson.ParseRequest(json)));
        Try(() => ErgonJson.ParseResult(json));
        Try(() => ErgonJson.ParseInfo(json));
        Try(() => ErgonJson.ParseEvent(json));
        Try(() => ErgonJson.ParseFingerprint(json));
        Try(() => ErgonJson.ParseStats(json));
    }

    private static void Try(Func<object> read)
    {
        try
        {
            read().Should().NotBeNull();
        }
        catch (ExecutorException e)
        {
            e.Code.Should().Be(ErrorCode.InvalidRequest);
            e.Message.Should().NotBeNullOrEmpty();
        }
    }
}
