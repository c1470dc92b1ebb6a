using System.Text;
using CsCheck;
using Ergon.Storage;

namespace Ergon.Tests.Fuzz;

/// <summary>Every decoder of bytes and text that somebody else wrote: a value or a clear error, and never anything else.</summary>
public sealed class DecoderFuzzTests
{
    private const int Iterations = 3000;

    private static readonly byte[] Request = Encoding.UTF8.GetBytes(
        """
        {"job_id":"j","execution_id":"e","engine_spec":{"type":"docker","params":{"image":"busybox","cmd":["a","b"],"environment":["A=b"]}},
        "resources":{"cpu":1.5,"memory":"256m","disk":1073741824,"pids":100,"gpus":[{"vendor":"nvidia","device":"0"}]},
        "inputs":[{"type":"local","source":"/a","target":"/b","read_only":true}],"outputs":[{"source":"o","target":"/o"}],"results_dir":"/r",
        "environment":{"K":"V"},"timeouts":{"prepare":"10m","run":"30s","stop_grace":"1s"},
        "network":{"mode":"bridge","ports":[{"host_ip":"127.0.0.1","host_port":8080,"executor_port":80,"protocol":"tcp"}],"gateway_ip":"10.0.0.1","dns":["1.1.1.1"]},
        "provision_scripts":[{"name":"s","content":"ZWNobwo="}],"persist_logs":"24h","log_limits":{"max_bytes_per_stream":1000,"result_bytes":10},"labels":{"a":"b"}}
        """);

    private static readonly byte[] GoRequest = Encoding.UTF8.GetBytes(
        """
        {"JobID":"j","ExecutionID":"e","EngineSpec":{"Type":"docker","Params":{"image":"busybox"}},"ResultsDir":"/r","PersistLogsDuration":3600000000000,
        "PortsToBind":[{"IP":"127.0.0.1","HostPort":8080,"ExecutorPort":80}],"GatewayIP":"10.0.0.1",
        "ProvisionScripts":{"a":"ZWNobwo="},"Inputs":[],"Outputs":null}
        """);

    private static readonly byte[] Result = Encoding.UTF8.GetBytes(
        """
        {"job_id":"j","execution_id":"e","status":"failed","reason":"exited","exit_code":1,"signal":"SIGTERM","stdout":"x","stdout_bytes":1,
        "stdout_truncated":false,"stderr":"","stderr_bytes":0,"stderr_truncated":false,"error":"e","created_at":"2030-01-01T00:00:00+00:00",
        "started_at":"2030-01-01T00:00:00+00:00","finished_at":"2030-01-01T00:00:00+00:00"}
        """);

    private static readonly byte[] State = Encoding.UTF8.GetBytes(
        """{"version":1,"status":"Running","created_at":"2030-01-01T00:00:00+00:00","exit_code":1,"ports":[{"executor_port":1}],"released":false}""");

    private static readonly Gen<string> Text = Gen.OneOf(
        Gen.String[0, 20],
        Gen.Char[" .-+_0123456789eEdhmsnuµkKgGbBiIMSIGTERM"].Array[0, 12].Select(c => new string(c)),
        Gen.Select(Gen.Decimal, OneOf("", "s", "ms", "h", "d", "ns", "m", "k", "GiB", "t", "p")).Select((n, u) => $"{n}{u}"),
        Gen.Select(Gen.ULong, Gen.ULong).Select((a, b) => $"{a}{b}h"));

    [Fact]
    public void A_request_is_read_or_refused() => Fuzz(bytes => ErgonJson.ParseRequest(bytes), Request, GoRequest);

    [Fact]
    public void A_result_is_read_or_refused() => Fuzz(bytes => ErgonJson.ParseResult(bytes), Result);

    [Fact]
    public void A_snapshot_is_read_or_refused() => Fuzz(bytes => ErgonJson.ParseInfo(bytes), Result, State);

    [Fact]
    public void An_event_is_read_or_refused() => Fuzz(bytes => ErgonJson.ParseEvent(bytes), Result, State);

    [Fact]
    public void A_fingerprint_is_read_or_refused() => Fuzz(bytes => ErgonJson.ParseFingerprint(bytes), Result, State);

    [Fact]
    public void Statistics_are_read_or_refused() => Fuzz(bytes => ErgonJson.ParseStats(bytes), Result, State);

    [Fact]
    public void A_state_record_is_read_or_refused() => Fuzz(bytes => StateRecord.Parse(bytes), State);

    [Fact]
    public void The_examples_are_read()
    {
        ErgonJson.ParseRequest(Request).Resources.Memory.Should().Be(256 << 20);
        ErgonJson.ParseRequest(GoRequest).PersistLogs.Should().Be(TimeSpan.FromHours(1));
        ErgonJson.ParseResult(Result).ExitCode.Should().Be(1);
        StateRecord.Parse(State).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public void An_id_is_one_exactly_when_it_follows_the_rule() => Text.Sample(
        text =>
        {
            Assert.Equal(Identifier.IsValid(text), JobId.TryParse(text, out var job));
            Assert.Equal(Identifier.IsValid(text), ExecutionId.TryParse(text, out _));
            if (Identifier.IsValid(text)) Assert.Equal(text, job.Value);
            else Assert.Throws<FormatException>(() => ExecutionId.Parse(text));
        },
        iter: Iterations);

    [Fact]
    public void A_signal_is_one_of_64_or_refused() => Text.Sample(
        text =>
        {
            if (Signal.TryParse(text, out var signal)) Assert.InRange(signal.Number, 1, 64);
            else Assert.Throws<FormatException>(() => Signal.Parse(text));
        },
        iter: Iterations);

    [Fact]
    public void A_size_is_not_negative_or_refused() => Text.Sample(
        text =>
        {
            if (ByteSize.TryParse(text, out var size)) Assert.Equal(size, ByteSize.Parse(ByteSize.Format(size)));
            else Assert.Throws<FormatException>(() => ByteSize.Parse(text));
        },
        iter: Iterations);

    [Fact]
    public void A_duration_is_not_negative_or_refused() => Text.Sample(
        text =>
        {
            if (Duration.TryParse(text, out var duration)) Assert.Equal(duration, Duration.Parse(Duration.Format(duration)));
            else Assert.Throws<FormatException>(() => Duration.Parse(text));
        },
        iter: Iterations);

    [Fact]
    public void Sizes_and_durations_survive_being_written() => Gen.Long[0, long.MaxValue].Sample(
        value =>
        {
            Assert.Equal(value, ByteSize.Parse(ByteSize.Format(value)));
            Assert.Equal(value, Duration.Parse(Duration.Format(new TimeSpan(value))).Ticks);
        },
        iter: Iterations);

    private static void Fuzz(Func<byte[], object> decode, params byte[][] examples)
    {
        var changed = Gen.Select(Gen.Int[0, examples.Length - 1].Select(i => examples[i]), Gen.Select(Gen.Double[0, 1], Gen.Byte, Gen.Int[0, 3]).Array[1, 6])
            .Select((example, changes) => changes.Aggregate(example, Change));
        var replaced = Gen.Select(Gen.Int[0, examples.Length - 1].Select(i => examples[i]), Gen.Int[0, 60], OneOf(
                "null", "1", "-1", "1e400", "\"\"", "\"x\"", "[]", "{}", "true", "[null]", "{\"a\":null}", "99999999999999999999"))
            .Select(ReplaceValue);
        Gen.Frequency((1, Gen.Byte.Array[0, 100]), (5, changed), (5, replaced)).Sample(
            bytes =>
            {
                try
                {
                    Assert.NotNull(decode(bytes));
                }
                catch (ExecutorException e) when (e.Code is ErrorCode.InvalidRequest or ErrorCode.StorageFailed)
                {
                    Assert.NotEmpty(e.Message);
                }
            },
            iter: Iterations);
    }

    private static Gen<string> OneOf(params string[] texts) => Gen.Int[0, texts.Length - 1].Select(i => texts[i]);

    private static byte[] Change(byte[] bytes, (double At, byte Value, int Kind) change)
    {
        var at = (int)(change.At * bytes.Length);
        var after = Math.Min(bytes.Length, at + 1);
        return change.Kind switch
        {
            0 => bytes[..at],
            1 => [.. bytes[..at], change.Value, .. bytes[at..]],
            2 => [.. bytes[..at], .. bytes[after..]],
            _ => [.. bytes[..at], change.Value, .. bytes[after..]],
        };
    }

    /// <summary>Puts another kind of value behind one of the example's colons, up to the next comma or bracket.</summary>
    private static byte[] ReplaceValue(byte[] example, int index, string value)
    {
        var text = Encoding.UTF8.GetString(example);
        var colons = Enumerable.Range(0, text.Length).Where(i => text[i] == ':').ToList();
        var from = colons[index % colons.Count] + 1;
        var to = from;
        for (var depth = 0; to < text.Length; to++)
        {
            if (text[to] is '{' or '[') depth++;
            if (depth == 0 && text[to] is ',' or '}' or ']') break;
            if (text[to] is '}' or ']') depth--;
        }

        return Encoding.UTF8.GetBytes(text[..from] + value + text[to..]);
    }
}
