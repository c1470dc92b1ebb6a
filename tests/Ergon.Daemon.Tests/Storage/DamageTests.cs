using Ergon.Daemon.Storage;
using Ergon.Storage;
using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Tests.Storage;

/// <summary>Databases that are damaged, and disks that are full.</summary>
public sealed class DamageTests : DatabaseTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(6000)]
    public async Task A_damaged_database_is_refused_with_what_to_do_and_set_aside_when_asked_for(int at)
    {
        await using (var store = await OpenAsync())
            await Task.WhenAll(Enumerable.Range(0, 200).Select(i => store.AppendAsync(ExecutorName, Created($"e{i}", 500)).AsTask()));
        await OverwriteAsync(at, 3000);
        var damaged = await System.IO.File.ReadAllBytesAsync(File, Token);

        var error = await StorageFails(() => OpenAsync());
        error.Message.Should().Contain(File).And.Contain("damaged").And.Contain("Restore a copy").And.Contain("set aside");
        (await System.IO.File.ReadAllBytesAsync(File, Token)).Should().Equal(damaged, "nothing is done to it without being asked for");

        var second = await OpenAsync(o => o with { SetAsideDamaged = true });
        (await second.LoadAsync(ExecutorName, Token)).Executions.Should().BeEmpty();
        await second.AppendAsync(ExecutorName, Created("new"));
        second.SetAside.Should().NotBeNull();
        (await System.IO.File.ReadAllBytesAsync(second.SetAside!, Token)).Should().Equal(damaged);
    }

    [Fact]
    public async Task A_database_that_is_whole_is_never_set_aside()
    {
        await using (var store = await OpenAsync()) await store.AppendAsync(ExecutorName, Created("a"));
        var second = await OpenAsync(o => o with { SetAsideDamaged = true });
        second.SetAside.Should().BeNull();
        (await second.LoadAsync(ExecutorName, Token)).Executions.Should().ContainSingle();
    }

    [Fact]
    public async Task A_damaged_record_does_not_keep_the_others_from_being_read()
    {
        await using (var store = await OpenAsync())
        {
            await store.AppendAsync(ExecutorName, Created("good"));
            await store.AppendAsync(ExecutorName, Created("bad"));
        }

        await using (var connection = new SqliteConnection($"Data Source={File};Pooling=False"))
        {
            await connection.OpenAsync(Token);
            await using var command = connection.CreateCommand();
            command.CommandText = "UPDATE executions SET info = x'7b22' WHERE id = 'bad'";
            await command.ExecuteNonQueryAsync(Token);
        }

        var loaded = await (await OpenAsync()).LoadAsync(ExecutorName, Token);
        loaded.Executions.Should().ContainSingle().Which.Request.ExecutionId.Value.Should().Be("good");
        loaded.Damaged.Should().ContainSingle().Which.Key.Value.Should().Be("bad");
    }

    [Fact]
    public async Task A_directory_that_is_missing_is_told()
    {
        var error = await StorageFails(() => OpenAsync(o => o with { Path = Path.Combine(Data, "missing", "ergon.db") }));
        error.Message.Should().Contain("missing").And.Contain("Make its directory writable");
    }

    [Fact]
    public async Task On_a_full_disk_a_change_fails_and_what_was_stored_before_stays()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root") Assert.Skip("A small disk is mounted, which takes root on Linux.");
        await using var disk = await SmallDisk.MountAsync(Directory.CreateDirectory(Path.Combine(Data, "disk")).FullName, "1m");
        var path = Path.Combine(disk.Path, "ergon.db");
        var stored = new List<string>();
        var store = await SqliteExecutionStore.OpenAsync(new SqliteStoreOptions { Path = path }, cancellationToken: Token);
        ExecutorException? full = null;
        for (var i = 0; full is null; i++)
        {
            try
            {
                await store.AppendAsync(ExecutorName, Created($"e{i}", 5000));
                stored.Add($"e{i}");
            }
            catch (ExecutorException e)
            {
                full = e;
            }
        }

        full.Code.Should().Be(ErrorCode.StorageFailed);
        full.Message.Should().Contain("ree space");
        stored.Should().HaveCountGreaterThan(20);

        // Room comes back, and with it the executions go on.
        foreach (var id in stored.Take(20)) await TryAsync(() => store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(Request(id)), Removed = true }).AsTask());
        await store.DisposeAsync();
        await using var second = await SqliteExecutionStore.OpenAsync(new SqliteStoreOptions { Path = path }, cancellationToken: Token);
        var found = (await second.LoadAsync(ExecutorName, Token)).Executions.Select(e => e.Request.ExecutionId.Value).ToHashSet();
        stored.Skip(20).Should().OnlyContain(id => found.Contains(id));
    }

    private static async Task TryAsync(Func<Task> act)
    {
        try
        {
            await act();
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.StorageFailed)
        {
            // Removing takes room as well, in the log that is written ahead.
            return;
        }
    }

    private async Task OverwriteAsync(int at, int count)
    {
        await using var file = new FileStream(File, FileMode.Open, FileAccess.Write);
        file.Position = at;
        var noise = new byte[count];
        new Random(3).NextBytes(noise);
        await file.WriteAsync(noise, Token);
    }
}
