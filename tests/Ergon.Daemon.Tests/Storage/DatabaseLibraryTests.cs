using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Tests.Storage;

/// <summary>The database library that this build ships with.</summary>
public sealed class DatabaseLibraryTests
{
    [Fact]
    public async Task The_library_keeps_a_write_ahead_log()
    {
        var directory = Directory.CreateTempSubdirectory("ergon-test-");
        try
        {
            await using var connection = new SqliteConnection($"Data Source={Path.Combine(directory.FullName, "ergon.db")};Pooling=False");
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText = "PRAGMA journal_mode = WAL";
            (await command.ExecuteScalarAsync(TestContext.Current.CancellationToken)).Should().Be("wal");
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
