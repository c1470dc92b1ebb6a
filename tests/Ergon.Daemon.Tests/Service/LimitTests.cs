using System.Net;

namespace Ergon.Daemon.Tests.Service;

/// <summary>What the operator's limits do to executions.</summary>
public sealed class LimitTests
{
    [Fact]
    public async Task No_more_output_is_kept_than_the_operator_allows()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { MaxLogLimits = new LogLimits { MaxBytesPerStream = 6, ResultBytes = 4 } });
        var (_, result) = await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("long", "echo 123456789"));
        result.GetProperty("stdout").GetString().Should().Be("1234");
        result.GetProperty("stdout_truncated").GetBoolean().Should().BeTrue();
        (await daemon.Http.GetStringAsync("/v1/executions/long/logs?stream=stdout", TestContext.Current.CancellationToken)).Should().Be("123456");
    }

    [Fact]
    public async Task The_oldest_results_are_released_when_there_are_too_many()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { MaxRetainedResults = 1 });
        foreach (var id in new[] { "old", "new" }) await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script(id, "true"));
        await daemon.SendAsync(HttpMethod.Get, "/v1/executions/new?wait_for=success&timeout=30s");
        (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/old/result")).Status.Should().Be(HttpStatusCode.Conflict);
        (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/new/result")).Status.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task With_a_key_no_request_lies_in_the_database_as_it_was()
    {
        var directory = Directory.CreateTempSubdirectory("daemon-key-");
        try
        {
            await using var daemon = await RunningDaemon.StartAsync(o => o with { Database = new DatabaseOptions { KeyFile = Path.Combine(directory.FullName, "key") } });
            await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("secret", "true", ""","environment":{"PASSWORD":"hunter2"}"""));
            foreach (var file in Directory.GetFiles(Path.GetDirectoryName(daemon.AuditLog)!, "executions.db*").Where(f => !f.EndsWith(".lock", StringComparison.Ordinal)))
                (await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken)).AsSpan().IndexOf("hunter2"u8).Should().Be(-1);
            File.Exists(Path.Combine(directory.FullName, "key")).Should().BeTrue();
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Secrets_of_a_request_lie_nowhere_in_the_data_directory_while_it_runs_and_after()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o);
        var data = Path.GetDirectoryName(daemon.AuditLog)!;
        var request = RunningDaemon.Script("secret", "sleep 1000", ""","environment":{"PASSWORD":"hunter2"}""");
        (await daemon.SendAsync(HttpMethod.Post, "/v1/executions", request)).Status.Should().Be(HttpStatusCode.Created);
        await FindSecretsAsync();

        await daemon.SendAsync(HttpMethod.Post, "/v1/executions/secret/cancel");
        await daemon.SendAsync(HttpMethod.Get, "/v1/executions/secret?wait_for=cancelled&timeout=30s");

        await FindSecretsAsync();
        File.Exists(Path.Combine(data, "database.key")).Should().BeTrue();

        async Task FindSecretsAsync()
        {
            // A pipe has no length, and would not end.
            foreach (var file in Directory.GetFiles(data, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith(".lock", StringComparison.Ordinal) && new FileInfo(f).Length > 0))
                (await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken)).AsSpan().IndexOf("hunter2"u8).Should().Be(-1, file);
        }
    }

    [Theory]
    [InlineData("""{"cmd":["true"],"user":"daemon"}""", "user")]
    [InlineData("""{"cmd":["true"],"image":"oci:/etc/image"}""", "image")]
    [InlineData("""{"cmd":["true"],"kernel_image":"/srv/jobs/../../boot/vmlinuz"}""", "kernel_image")]
    [InlineData("""{"cmd":["true"],"cap_add":["CAP_SYS_ADMIN"]}""", "cap_add")]
    public async Task The_policy_holds_for_what_only_one_executor_understands(string parameters, string parameter)
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Policy = new DaemonPolicy { Users = ["nobody"], VolumeRoots = ["/srv/jobs"] } });
        var (status, problem) = await daemon.SendAsync(HttpMethod.Post, "/v1/executions", $$$"""{"job_id":"p","execution_id":"p","engine_spec":{"type":"process","params":{{{parameters}}}}}""");
        status.Should().Be(HttpStatusCode.BadRequest);
        var first = problem.GetProperty("problems")[0];
        first.GetProperty("field").GetString().Should().Be($"engine_spec.params.{parameter}");
        first.GetProperty("kind").GetString().Should().Be("forbidden");
    }
}
