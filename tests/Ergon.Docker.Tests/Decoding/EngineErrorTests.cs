using System.Net;
using System.Text.Json;
using CsCheck;
using Ergon.Docker.Api;

namespace Ergon.Docker.Tests.Decoding;

/// <summary>What the Engine says, and what is made of it.</summary>
public sealed class EngineErrorTests
{
    [Theory]
    [InlineData("driver failed programming external connectivity: Bind for 127.0.0.1:80 failed: port is already allocated", ErrorCode.ResourcesUnavailable)]
    [InlineData("listen tcp4 127.0.0.1:80: bind: address already in use", ErrorCode.ResourcesUnavailable)]
    [InlineData("Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", ErrorCode.ResourcesUnavailable)]
    [InlineData("could not select device driver \"nvidia\" with capabilities: [[gpu]]", ErrorCode.NotSupported)]
    [InlineData("--storage-opt is supported only for overlay over xfs with 'pquota' mount option", ErrorCode.NotSupported)]
    [InlineData("something new", ErrorCode.BackendFailed)]
    public void Answers_have_codes_and_keep_the_engines_words(string message, ErrorCode code)
    {
        var error = EngineErrors.Translate(Answer(JsonSerializer.Serialize(new Dictionary<string, string> { ["message"] = message })), "start the container", "unix:///socket");
        error.Code.Should().Be(code);
        error.Message.Should().Contain(message);
    }

    [Theory]
    [InlineData("OCI runtime create failed: exec: \"/no/such\": stat /no/such: no such file or directory: unknown", 127)]
    [InlineData("exec: \"no-such\": executable file not found in $PATH: unknown", 127)]
    [InlineData("exec: \"/etc/passwd\": permission denied: unknown", 126)]
    [InlineData("exec /file: exec format error", 126)]
    [InlineData("starting container process caused: exec: \"/etc\": is a directory: unknown", 126)]
    [InlineData("OCI runtime exec failed: exec failed: chdir to cwd (\"/nope\") set in config.json failed: no such file or directory: unknown", null)]
    [InlineData("unable to find user nobody: no matching entries in passwd file", null)]
    [InlineData("error while creating mount source path: mkdir /x: no such file or directory", null)]
    public void A_command_that_cannot_be_run_has_the_shells_code(string message, int? code) => EngineErrors.ExitCodeOfUnrunnable(message).Should().Be(code);

    [Fact]
    public void Any_answer_is_translated() =>
        Gen.Select(Gen.OneOf(Gen.String, Gen.OneOf("", "{", "[]", "1", "null", "{\"message\":1}", "{\"message\":null}", "{\"message\":\"\\ud800\"}")), Gen.Enum<HttpStatusCode>())
            .Sample((body, status) => EngineErrors.Translate(Answer(body, status), "do it", "unix:///socket").Message.Length > 0);

    private static EngineApiException Answer(string body, HttpStatusCode status = HttpStatusCode.InternalServerError) => EngineApiException.Of(status, body);
}
