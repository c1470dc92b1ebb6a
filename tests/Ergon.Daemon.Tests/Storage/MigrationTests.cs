using Ergon.Daemon.Storage;
using Ergon.Storage;
using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Tests.Storage;

/// <summary>Databases that another version wrote.</summary>
public sealed class MigrationTests : DatabaseTests
{
    public static TheoryData<int> FormerVersions => [.. Enumerable.Range(0, SqliteSchema.Version + 1)];

    [Theory]
    [MemberData(nameof(FormerVersions))]
    public async Task A_database_of_every_former_version_is_brought_forward_with_all_that_it_has(int version)
    {
        if (version > 0) await WriteAsync(version);
        var store = await OpenAsync();
        if (version > 0)
        {
            var stored = (await store.LoadAsync(ExecutorName, Token)).Executions.Should().ContainSingle().Subject;
            stored.Request.ExecutionId.Value.Should().Be("old");
            stored.Info.Status.Should().Be(ExecutionStatus.Failed);
            stored.Stopping.Should().BeNull();
            (await store.LoadResultAsync(ExecutorName, stored.Request.ExecutionId, Token)).ExitCode.Should().Be(3);
            (await store.ReadEventsAsync(ExecutorName, 0, Token)).Should().ContainSingle().Which.Sequence.Should().Be(7);
        }

        await store.AppendAsync(ExecutorName, Created("new"));
        await store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(Request("new")), Stopping = TerminationReason.Cancelled });
        (await store.LoadAsync(ExecutorName, Token)).Executions.Should().HaveCount(version > 0 ? 2 : 1);
    }

    [Fact]
    public async Task A_database_of_a_newer_version_is_refused_and_left_alone()
    {
        await using (var store = await OpenAsync()) await store.AppendAsync(ExecutorName, Created("a"));
        await ExecuteAsync("PRAGMA user_version = 99");
        (await StorageFails(() => OpenAsync(o => o with { SetAsideDamaged = true }))).Message.Should().Contain("99").And.Contain("newer Ergon");
        await ExecuteAsync($"PRAGMA user_version = {SqliteSchema.Version}");
        (await (await OpenAsync()).LoadAsync(ExecutorName, Token)).Executions.Should().ContainSingle();
    }

    // As the version wrote it: the first tables have not changed since version 1.
    private async Task WriteAsync(int version)
    {
        var request = Request("old");
        var info = Info(request, ExecutionStatus.Failed);
        foreach (var step in SqliteSchema.Steps.Take(version)) await ExecuteAsync(step);
        await ExecuteAsync($"PRAGMA user_version = {version}");
        await ExecuteAsync(
            """
            INSERT INTO executions (executor, id, request, info, terminal, released) VALUES ('first', 'old', $request, $info, 1, 0);
            INSERT INTO results (executor, id, result) VALUES ('first', 'old', $result);
            INSERT INTO events (executor, sequence, event) VALUES ('first', 7, $event);
            """,
            ("$request", ErgonJson.SerializeRequest(request)),
            ("$info", ErgonJson.SerializeInfo(info)),
            ("$result", ErgonJson.SerializeResult(Result(request, "old"))),
            ("$event", ErgonJson.SerializeEvent(Event(7, info))));
    }

    private async Task ExecuteAsync(string sql, params (string Name, object Value)[] parameters)
    {
        await using var connection = new SqliteConnection($"Data Source={File};Pooling=False");
        await connection.OpenAsync(Token);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters) command.Parameters.AddWithValue(name, value);
        await command.ExecuteNonQueryAsync(Token);
    }
}
