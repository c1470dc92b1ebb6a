using System.Text;
using Ergon.Storage;
using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Tests.Storage;

/// <summary>What of a request can be read from the database by others.</summary>
public sealed class SecretTests : DatabaseTests
{
    private const string Secret = "hunter2-is-not-a-good-password";

    private string Key => Path.Combine(Data, "ergon.key");

    [Fact]
    public async Task With_a_key_no_secret_of_a_request_is_in_the_files_and_the_request_is_read_again()
    {
        var request = Request("a") with { Environment = new Dictionary<string, string> { ["TOKEN"] = Secret } };
        await using (var store = await OpenAsync(o => o with { KeyFile = Key }))
        {
            await store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(request), Request = request, Event = Event(1, Info(request)) });
            (await FindAsync()).Should().BeEmpty();
        }

        (await FindAsync()).Should().BeEmpty();
        if (!OperatingSystem.IsWindows()) System.IO.File.GetUnixFileMode(Key).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var second = await OpenAsync(o => o with { KeyFile = Key });
        (await second.LoadAsync(ExecutorName, Token)).Executions.Single().Request.Environment["TOKEN"].Should().Be(Secret);
    }

    [Fact]
    public async Task The_search_for_secrets_finds_them_where_there_is_no_key()
    {
        var request = Request("a") with { Environment = new Dictionary<string, string> { ["TOKEN"] = Secret } };
        await using (var store = await OpenAsync()) await store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(request), Request = request });
        (await FindAsync()).Should().NotBeEmpty();
    }

    [Fact]
    public async Task A_database_is_opened_with_its_own_key_only_and_is_left_alone_otherwise()
    {
        await using (var store = await OpenAsync(o => o with { KeyFile = Key })) await store.AppendAsync(ExecutorName, Created("a"));
        (await StorageFails(() => OpenAsync())).Message.Should().Contain("encrypted");
        System.IO.File.Move(Key, Key + ".kept");
        (await StorageFails(() => OpenAsync(o => o with { KeyFile = Key }))).Message.Should().Contain("Restore the key");
        System.IO.File.Exists(Key).Should().BeFalse("a new key would open nothing");
        await System.IO.File.WriteAllBytesAsync(Key, new byte[32], Token);
        (await StorageFails(() => OpenAsync(o => o with { KeyFile = Key, SetAsideDamaged = true }))).Message.Should().Contain("is not the one");
        System.IO.File.Move(Key + ".kept", Key, overwrite: true);
        var again = await OpenAsync(o => o with { KeyFile = Key });
        (await again.LoadAsync(ExecutorName, Token)).Executions.Should().ContainSingle();
    }

    [Fact]
    public async Task Requests_from_before_the_key_are_still_read_and_moved_ones_are_not()
    {
        await using (var plain = await OpenAsync()) await plain.AppendAsync(ExecutorName, Created("plain"));
        await using (var store = await OpenAsync(o => o with { KeyFile = Key }))
            foreach (var id in new[] { "first", "second" }) await store.AppendAsync(ExecutorName, Created(id));
        await using (var connection = new SqliteConnection($"Data Source={File};Pooling=False"))
        {
            await connection.OpenAsync(Token);
            await using var command = connection.CreateCommand();
            command.CommandText = "UPDATE executions SET request = (SELECT request FROM executions WHERE id = 'first') WHERE id = 'second'";
            await command.ExecuteNonQueryAsync(Token);
        }

        var loaded = await (await OpenAsync(o => o with { KeyFile = Key })).LoadAsync(ExecutorName, Token);
        loaded.Executions.Select(e => e.Request.ExecutionId.Value).Should().Equal("plain", "first");
        loaded.Damaged.Keys.Select(k => k.Value).Should().Equal("second");
    }

    private async Task<List<string>> FindAsync()
    {
        List<string> found = [];
        foreach (var file in Directory.GetFiles(Data).Where(f => !f.EndsWith(".lock", StringComparison.Ordinal)))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            var bytes = new byte[stream.Length];
            await stream.ReadExactlyAsync(bytes, Token);
            if (bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Secret)) >= 0) found.Add(file);
        }

        return found;
    }
}
