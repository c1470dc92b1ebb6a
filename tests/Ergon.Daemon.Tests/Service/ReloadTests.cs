using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ergon.Admission;

namespace Ergon.Daemon.Tests.Service;

/// <summary>Settings that are changed while the daemon runs.</summary>
public sealed class ReloadTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("daemon-reload-").FullName;
    private readonly Authority _authority = new("one");
    private readonly Authority _other = new("other");
    private readonly Uri _address = Authority.FreeAddress();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _authority.Dispose();
        _other.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task Who_may_call_changes_with_the_next_call_of_a_connection_that_is_there()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Network = Listener(TokenOf("old")) });
        using var http = Client();
        (await StatusAsync(http, "old")).Should().Be(HttpStatusCode.OK);

        daemon.Change(o => o with { Network = Listener(TokenOf("new")) }).Changed.Should().Equal("network.tokens");

        (await StatusAsync(http, "old")).Should().Be(HttpStatusCode.Unauthorized);
        (await StatusAsync(http, "new")).Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_new_certificate_is_shown_to_the_next_connection_over_both_protocols()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Network = Listener(TokenOf("t")) });
        using var before = Client();
        (await StatusAsync(before, "t")).Should().Be(HttpStatusCode.OK);

        // The same file with another certificate, of another authority.
        var listener = Listener(TokenOf("t"));
        _other.WriteServer(_directory);
        daemon.Change(o => o with { Network = listener }).Changed.Should().Equal("network.certificate");

        (await StatusAsync(before, "t")).Should().Be(HttpStatusCode.OK, "a connection that is there goes on");
        using (var stale = Client()) await Assert.ThrowsAsync<HttpRequestException>(() => StatusAsync(stale, "t"));
        foreach (var version in new[] { HttpVersion.Version11, HttpVersion.Version20 })
        {
            using var fresh = Client(of: _other);
            (await StatusAsync(fresh, "t", version)).Should().Be(HttpStatusCode.OK);
        }
    }

    [Fact]
    public async Task An_authority_that_is_no_longer_named_vouches_for_nobody_also_on_a_connection_that_is_there()
    {
        using var certificate = _authority.IssueClient("scheduler");
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Network = WithAuthority(_authority) });
        using var http = Client(certificate);
        (await StatusAsync(http, null)).Should().Be(HttpStatusCode.OK);

        daemon.Change(o => o with { Network = WithAuthority(_other) }).Changed.Should().Equal("network.client_authorities");

        (await StatusAsync(http, null)).Should().Be(HttpStatusCode.Unauthorized);
        using var renewed = Client(_other.IssueClient("scheduler"));
        (await StatusAsync(renewed, null)).Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task When_one_setting_is_wrong_none_is_taken_and_all_problems_are_told()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Network = Listener(TokenOf("t")) });
        var error = Assert.Throws<ExecutorException>(() => daemon.Change(o => o with
        {
            Policy = new DaemonPolicy { Engines = ["docker"] },
            MaxConcurrentExecutions = 0,
            Network = Listener(new DaemonToken { Name = "x", Sha256 = "1", Scopes = ["read"] }) with { Certificate = "/nowhere.pem" },
        }));
        error.Problems.Select(p => p.Field).Should().BeEquivalentTo("max_concurrent_executions", "network.tokens[0].sha256", "network.certificate");
        (await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("allowed", "true"))).Status.Should().Be(HttpStatusCode.OK);
        using var http = Client();
        (await StatusAsync(http, "t")).Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task The_policy_holds_from_the_next_request_on()
    {
        await using var daemon = await RunningDaemon.StartAsync();
        daemon.Change(o => o with { Policy = new DaemonPolicy { Networks = [NetworkMode.None], VolumeRoots = ["/srv/jobs"], Resources = new ResourceLimits { Memory = 1 << 30 } } })
            .Changed.Should().BeEquivalentTo("policy.networks", "policy.volume_roots", "policy.resources");
        var (status, problem) = await daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("p", "true", ""","inputs":[{"source":"/etc","target":"/data"}],"resources":{"memory":"2g"}"""));
        status.Should().Be(HttpStatusCode.BadRequest);
        problem.GetProperty("problems").EnumerateArray().Select(p => p.GetProperty("field").GetString()).Should().BeEquivalentTo("inputs[0].source", "resources.memory");
    }

    [Fact]
    public async Task A_start_that_is_repeated_with_its_key_is_the_same_after_limits_have_changed()
    {
        await using var daemon = await RunningDaemon.StartAsync();
        var body = RunningDaemon.Script("keyed", "echo 123456789", ""","request_key":"k" """);
        await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", body);
        daemon.Change(o => o with { MaxLogLimits = new LogLimits { MaxBytesPerStream = 3, ResultBytes = 3 }, DefaultPersistLogs = TimeSpan.FromHours(1) });

        var (status, result) = await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", body);
        status.Should().Be(HttpStatusCode.OK);
        result.GetProperty("stdout").GetString().Should().Be("123456789\n");
        (await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("next", "echo 123456789"))).Body.GetProperty("stdout").GetString().Should().Be("123");
    }

    [Fact]
    public async Task Results_beyond_a_new_retention_are_released_at_once()
    {
        await using var daemon = await RunningDaemon.StartAsync();
        foreach (var id in new[] { "old", "new" }) await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script(id, "true"));
        await daemon.SendAsync(HttpMethod.Get, "/v1/executions/new?wait_for=success&timeout=30s");

        daemon.Change(o => o with { MaxRetainedResults = 1 }).Changed.Should().Equal("retention.max_results");

        (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/old/result")).Status.Should().Be(HttpStatusCode.Conflict);
        (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/new/result")).Status.Should().Be(HttpStatusCode.OK);
        daemon.Change(o => o with { DefaultPersistLogs = TimeSpan.Zero });
        await daemon.EventuallyAsync(async () => (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/new/result")).Status == HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task Who_waits_begins_when_there_is_more_room_and_is_refused_when_there_never_will_be()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Admission = new AdmissionOptions { Total = new ResourceLimits { Cpu = 2 } } });
        await daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("first", "sleep 1000", ""","resources":{"cpu":2}"""));
        var large = daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("large", "true", ""","resources":{"cpu":2}"""));
        await daemon.EventuallyAsync(async () => (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/large")).Status == HttpStatusCode.OK);

        daemon.Change(o => o with { Admission = new AdmissionOptions { Total = new ResourceLimits { Cpu = 1 } } });
        var (status, problem) = await large;
        status.Should().Be(HttpStatusCode.TooManyRequests);
        problem.GetProperty("detail").GetString().Should().Contain("Ask for less");

        var small = daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("small", "true", ""","resources":{"cpu":1}"""));
        daemon.Change(o => o with { Admission = new AdmissionOptions { Total = new ResourceLimits { Cpu = 3 } } });
        (await small).Status.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task What_takes_a_restart_is_told_each_time()
    {
        await using var daemon = await RunningDaemon.StartAsync();
        for (var i = 0; i < 2; i++)
            daemon.Change(o => o with { SocketPath = "/elsewhere.sock", Database = new DatabaseOptions { SurvivePowerLoss = true } }).NeedRestart.Should().BeEquivalentTo("socket", "database.survive_power_loss");
        (await daemon.SendAsync(HttpMethod.Post, "/v1/reload")).Status.Should().Be(HttpStatusCode.UnprocessableEntity, "it was not started with settings that can be read again");
    }

    private static DaemonToken TokenOf(string token) =>
        new() { Name = token, Sha256 = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token))), Scopes = ["read"] };

    private NetworkListener Listener(DaemonToken token) =>
        new() { Address = _address, Certificate = File.Exists(Path.Combine(_directory, "daemon.pem")) ? Path.Combine(_directory, "daemon.pem") : _authority.WriteServer(_directory), Tokens = [token] };

    private NetworkListener WithAuthority(Authority authority) => Listener(TokenOf("t")) with
    {
        Tokens = [],
        ClientAuthorities = authority.Write(_directory, "clients.pem"),
        ClientScopes = new Dictionary<string, IReadOnlyList<string>> { ["scheduler"] = ["read"] },
    };

    private HttpClient Client(X509Certificate2? certificate = null, Authority? of = null) => new(new SocketsHttpHandler { SslOptions = (of ?? _authority).Client(certificate) });

    private async Task<HttpStatusCode> StatusAsync(HttpClient http, string? token, Version? version = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_address, "/v1/executions")) { Version = version ?? HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        if (token is not null) request.Headers.Authorization = new("Bearer", token);
        using var response = await http.SendAsync(request, Token);
        return response.StatusCode;
    }
}
