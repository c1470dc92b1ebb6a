using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Ergon.Docker.Tests.Connecting;

/// <summary>Variables of the process are everybody's: these tests run alone.</summary>
[CollectionDefinition(nameof(ProcessEnvironment), DisableParallelization = true)]
public sealed class ProcessEnvironment;

/// <summary>How the Engine is found, and what is said when it is not.</summary>
[Collection(nameof(ProcessEnvironment))]
public sealed class EndpointTests : DockerTests
{
    [Fact]
    public async Task A_missing_engine_is_unavailable_and_the_error_says_what_to_do()
    {
        var error = await RefusalAsync(ErrorCode.BackendUnavailable, Request(Shell("true")), new DockerOptions { Endpoint = new Uri("unix:///no/such/docker.sock") });
        error.Message.Should().Contain("unix:///no/such/docker.sock").And.Contain("systemctl start docker").And.Contain("apt-get install docker.io").And.Contain("DOCKER_HOST");
        error.Message.Should().Contain("there is no such socket").And.NotContain("assign");
        error.IsTransient.Should().BeTrue();
    }

    [Fact]
    public async Task The_fingerprint_of_a_missing_engine_says_it_too()
    {
        var fingerprint = await NewExecutor(new DockerOptions { Endpoint = new Uri("unix:///no/such/docker.sock") }).FingerprintAsync(Token);
        fingerprint.Available.Should().BeFalse();
        fingerprint.Problems.Should().ContainSingle().Which.Remedy.Should().Contain("systemctl start docker");
    }

    [Fact]
    public async Task An_engine_over_tcp_that_is_not_there_is_unavailable()
    {
        var error = await RefusalAsync(ErrorCode.BackendUnavailable, Request(Shell("true")), new DockerOptions { Endpoint = new Uri("tcp://127.0.0.1:1") });
        error.Message.Should().Contain("127.0.0.1:1").And.Contain("DOCKER_HOST");
    }

    [Fact]
    public async Task An_engine_that_does_not_answer_is_given_up_after_the_call_timeout()
    {
        var socket = Path.Combine(NewDirectory(), "docker.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socket));
        listener.Listen();
        var options = new DockerOptions { Endpoint = new Uri($"unix://{socket}"), CallTimeout = TimeSpan.FromMilliseconds(300) };
        (await RefusalAsync(ErrorCode.BackendUnavailable, Request(Shell("true")), options)).Message.Should().Contain("within 300ms");
    }

    [Theory]
    [InlineData("Api-Version: 1.39\r\n", "speaks API 1.39; 1.40 or newer")]
    [InlineData("", "no Docker Engine")]
    public async Task What_is_too_old_or_no_engine_at_all_is_said(string header, string said)
    {
        var socket = Path.Combine(NewDirectory(), "docker.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socket));
        listener.Listen();
        var answering = AnswerOnceAsync(listener, $"HTTP/1.1 200 OK\r\n{header}Content-Length: 2\r\n\r\nOK");
        var error = await RefusalAsync(ErrorCode.BackendUnavailable, Request(Shell("true")), new DockerOptions { Endpoint = new Uri($"unix://{socket}") });
        error.Message.Should().Contain(socket).And.Contain(said);
        (await answering).Should().StartWith("GET /_ping ");
    }

    [Fact]
    public async Task Connecting_early_to_nothing_is_reported_by_the_first_call()
    {
        var options = new DockerOptions { Endpoint = new Uri("unix:///no/such/docker.sock"), ConnectEarly = true };
        (await RefusalAsync(ErrorCode.BackendUnavailable, Request(Shell("true")), options)).Message.Should().Contain("/no/such/docker.sock");
    }

    [Fact]
    public async Task An_executor_that_connects_early_can_be_disposed_before_it_has()
    {
        var socket = Path.Combine(NewDirectory(), "docker.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socket));
        listener.Listen();
        var executor = DockerExecutor.Create(new DockerOptions { Endpoint = new Uri($"unix://{socket}"), ConnectEarly = true, CallTimeout = TimeSpan.FromHours(1) });
        await executor.DisposeAsync().AsTask().WaitAsync(Token);
    }

    [Fact]
    public async Task The_variable_names_the_engine()
    {
        using var _ = new Variable("DOCKER_HOST", TestEngine.Required().ToString());
        (await FingerprintAsync()).Details["endpoint"].Should().Be(TestEngine.Required().ToString());
    }

    [Fact]
    public async Task A_context_names_the_engine_and_the_variable_wins()
    {
        var directory = NewDirectory();
        WriteContext(directory, TestEngine.Required().ToString());
        using var config = new Variable("DOCKER_CONFIG", directory);
        using var host = new Variable("DOCKER_HOST", null);
        (await FingerprintAsync()).Available.Should().BeTrue();
        using var context = new Variable("DOCKER_CONTEXT", "of-the-test");
        (await FingerprintAsync()).Available.Should().BeTrue();
        using var other = new Variable("DOCKER_HOST", "unix:///no/such/docker.sock");
        (await FingerprintAsync()).Available.Should().BeFalse();
    }

    [Fact]
    public async Task A_context_that_is_not_there_is_said()
    {
        using var config = new Variable("DOCKER_CONFIG", NewDirectory());
        using var host = new Variable("DOCKER_HOST", null);
        using var context = new Variable("DOCKER_CONTEXT", "no-such-context");
        var fingerprint = await FingerprintAsync();
        fingerprint.Available.Should().BeFalse();
        fingerprint.Problems.Single().ToString().Should().Contain("no-such-context").And.Contain("docker context ls");
    }

    [Theory]
    [InlineData("ssh://user@machine")]
    [InlineData("fd://3")]
    public async Task A_kind_of_endpoint_that_is_not_supported_is_refused_with_another_way(string endpoint)
    {
        var error = await RefusalAsync(ErrorCode.BackendUnavailable, Request(Shell("true")), new DockerOptions { Endpoint = new Uri(endpoint) });
        error.Message.Should().Contain("not supported").And.Contain("unix://");
    }

    [Fact]
    public async Task Nonsense_in_the_variable_is_said()
    {
        using var _ = new Variable("DOCKER_HOST", "this is no address");
        var fingerprint = await FingerprintAsync();
        fingerprint.Available.Should().BeFalse();
        fingerprint.Problems.Single().Remedy.Should().Contain("DOCKER_HOST");
    }

    // Returns what was asked.
    private async Task<string> AnswerOnceAsync(Socket listener, string answer)
    {
        using var connection = await listener.AcceptAsync(Token);
        var request = new byte[4096];
        var length = await connection.ReceiveAsync(request, Token);
        await connection.SendAsync(Encoding.ASCII.GetBytes(answer), Token);
        return Encoding.ASCII.GetString(request, 0, length);
    }

    private static async Task<ExecutorFingerprint> FingerprintAsync()
    {
        await using var driver = new DockerDriver();
        return await driver.FingerprintAsync(CancellationToken.None);
    }

    /// <summary>Writes what 'docker context create' and 'docker context use' write.</summary>
    internal static void WriteContext(string directory, string endpoint)
    {
        const string name = "of-the-test";
        var meta = Path.Combine(directory, "contexts", "meta", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name))));
        Directory.CreateDirectory(meta);
        File.WriteAllText(Path.Combine(directory, "config.json"), $$"""{"currentContext":"{{name}}"}""");
        File.WriteAllText(Path.Combine(meta, "meta.json"), $$$"""{"Name":"{{{name}}}","Metadata":{},"Endpoints":{"docker":{"Host":"{{{endpoint}}}","SkipTLSVerify":false} } }""");
    }
}

/// <summary>A variable of this process, as long as it is needed.</summary>
internal sealed class Variable : IDisposable
{
    private readonly string _name;
    private readonly string? _former;

    public Variable(string name, string? value)
    {
        (_name, _former) = (name, Environment.GetEnvironmentVariable(name));
        Environment.SetEnvironmentVariable(name, value);
    }

    public void Dispose() => Environment.SetEnvironmentVariable(_name, _former);
}
