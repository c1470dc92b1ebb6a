using System.Text;
using System.Text.Json;
using CsCheck;

namespace Ergon.Tests.Json;

/// <summary>What is written is read again, exactly.</summary>
public sealed class RoundTripTests
{
    private const int Times = 1000;

    [Fact]
    public void A_request_is_read_as_it_was_written() => Generated.Request.Sample(
        request =>
        {
            var json = ErgonJson.SerializeRequest(request);
            var read = ErgonJson.ParseRequest(json);
            ErgonJson.SerializeRequest(read).Should().Equal(json);
            Same(request, read);
        },
        iter: Times);

    [Fact]
    public void A_result_is_read_as_it_was_written() => Generated.Result.Sample(
        result =>
        {
            var read = ErgonJson.ParseResult(ErgonJson.SerializeResult(result));
            read.Stdout.Bytes.ToArray().Should().Equal(result.Stdout.Bytes.ToArray());
            read.Stderr.Bytes.ToArray().Should().Equal(result.Stderr.Bytes.ToArray());
            (read.Stdout.TotalBytes, read.Stderr.TotalBytes).Should().Be((result.Stdout.TotalBytes, result.Stderr.TotalBytes));
            (read with { Stdout = result.Stdout, Stderr = result.Stderr }).Should().Be(result);
        },
        iter: Times);

    [Fact]
    public void A_snapshot_is_read_as_it_was_written() => Generated.Info.Sample(
        info => Same(info, ErgonJson.ParseInfo(ErgonJson.SerializeInfo(info))), iter: Times);

    [Fact]
    public void An_event_is_read_as_it_was_written() => Generated.Event.Sample(
        happened =>
        {
            var read = ErgonJson.ParseEvent(ErgonJson.SerializeEvent(happened));
            Same(happened.Info, read.Info);
            (read with { Info = happened.Info }).Should().Be(happened);
        },
        iter: Times);

    [Fact]
    public void A_fingerprint_is_read_as_it_was_written() => Generated.Fingerprint.Sample(
        fingerprint =>
        {
            var read = ErgonJson.ParseFingerprint(ErgonJson.SerializeFingerprint(fingerprint));
            read.Problems.Should().Equal(fingerprint.Problems);
            read.Details.Should().Equal(fingerprint.Details);
            read.Capabilities.Networks.Should().Equal(fingerprint.Capabilities.Networks);
            var capabilities = read.Capabilities with { Networks = fingerprint.Capabilities.Networks };
            capabilities.Should().Be(fingerprint.Capabilities);
            (read with { Problems = fingerprint.Problems, Details = fingerprint.Details, Capabilities = fingerprint.Capabilities })
                .Should().Be(fingerprint);
        },
        iter: Times);

    [Fact]
    public void A_sample_of_resource_use_is_read_as_it_was_written() => Generated.Stats.Sample(
        stats => ErgonJson.ParseStats(ErgonJson.SerializeStats(stats)).Should().Be(stats), iter: Times);

    [Fact]
    public void Output_that_is_text_is_written_as_text_alone()
    {
        var json = Encoding.UTF8.GetString(ErgonJson.SerializeResult(ResultOf("héllo\n"u8.ToArray(), total: 7)));
        json.Should().Contain("""
            "stdout":"héllo\n","stdout_bytes":7,"stdout_truncated":false
            """).And.NotContain("base64");
    }

    [Fact]
    public void Output_that_is_not_text_is_written_in_base64_beside_the_text()
    {
        var json = Encoding.UTF8.GetString(ErgonJson.SerializeResult(ResultOf([0x61, 0xff, 0xc3], total: 9)));
        json.Should().Contain("\"stdout\":\"a\uFFFD\uFFFD\",\"stdout_base64\":\"Yf/D\",\"stdout_bytes\":9,\"stdout_truncated\":true");
    }

    private static ExecutionResult ResultOf(byte[] stdout, long total) => new()
    {
        JobId = JobId.Parse("j"),
        ExecutionId = ExecutionId.Parse("e"),
        Status = ExecutionStatus.Success,
        Reason = TerminationReason.Exited,
        ExitCode = 0,
        Stdout = new CapturedOutput { Bytes = stdout, TotalBytes = total },
        Stderr = CapturedOutput.Empty,
        CreatedAt = DateTimeOffset.UnixEpoch,
        StartedAt = DateTimeOffset.UnixEpoch,
        FinishedAt = DateTimeOffset.UnixEpoch,
    };

    // Lists and maps are compared one by one, and then counted as equal for the comparison of the records around them.
    private static void Same(ExecutionRequest expected, ExecutionRequest read)
    {
        read.EngineSpec.Type.Should().Be(expected.EngineSpec.Type);
        read.EngineSpec.Params.Keys.Should().Equal(expected.EngineSpec.Params.Keys);
        foreach (var (name, value) in expected.EngineSpec.Params)
            JsonElement.DeepEquals(read.EngineSpec.Params[name], value).Should().BeTrue();
        read.Resources.Gpus.Should().Equal(expected.Resources.Gpus);
        read.Inputs.Should().Equal(expected.Inputs);
        read.Outputs.Should().Equal(expected.Outputs);
        read.Environment.Should().Equal(expected.Environment);
        read.Labels.Should().Equal(expected.Labels);
        read.Network.Ports.Should().Equal(expected.Network.Ports);
        read.Network.Dns.Should().Equal(expected.Network.Dns);
        read.ProvisionScripts.Select(s => (s.Name, Convert.ToHexString(s.Content.Span)))
            .Should().Equal(expected.ProvisionScripts.Select(s => (s.Name, Convert.ToHexString(s.Content.Span))));
        (read with
        {
            EngineSpec = expected.EngineSpec,
            Resources = read.Resources with { Gpus = expected.Resources.Gpus },
            Inputs = expected.Inputs,
            Outputs = expected.Outputs,
            Environment = expected.Environment,
            Labels = expected.Labels,
            Network = read.Network with { Ports = expected.Network.Ports, Dns = expected.Network.Dns },
            ProvisionScripts = expected.ProvisionScripts,
        }).Should().Be(expected);
    }

    private static void Same(ExecutionInfo expected, ExecutionInfo read)
    {
        read.Ports.Should().Equal(expected.Ports);
        read.Labels.Should().Equal(expected.Labels);
        (read with { Ports = expected.Ports, Labels = expected.Labels }).Should().Be(expected);
    }
}
