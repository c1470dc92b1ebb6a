using System.Text;
using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Storage;

/// <summary>How requests are written into the database and read from it: encrypted when there is a key.</summary>
internal sealed class StoredRequests : IDisposable
{
    private const string CheckPlace = "settings/key";
    private const string CheckText = "ergon";

    private readonly RequestSeal? _seal;

    private StoredRequests(RequestSeal? seal) => _seal = seal;

    /// <summary>Opens the key of a database, and checks that it is the one.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/> when the database was written with another one.</exception>
    public static StoredRequests Open(SqliteConnection connection, SqliteStoreOptions options)
    {
        var check = SqliteErrors.Scalar(connection, "SELECT value FROM settings WHERE name = 'key'") as byte[];
        if (options.KeyFile is not { } file)
        {
            return check is null
                ? new StoredRequests(null)
                : throw new ExecutorException(ErrorCode.StorageFailed, $"The requests in the database {options.Path} are encrypted. Name the file of the key with which it was written.");
        }

        var seal = RequestSeal.Open(file, create: check is null);
        if (check is null) Write(connection, seal.Seal(Encoding.UTF8.GetBytes(CheckText), CheckPlace));
        else if (seal.Unseal(check, CheckPlace) is null)
        {
            seal.Dispose();
            throw new ExecutorException(ErrorCode.StorageFailed, $"The key {file} is not the one with which the database {options.Path} was written. Restore that one.");
        }

        return new StoredRequests(seal);
    }

    public byte[] Write(string executorId, ExecutionRequest request)
    {
        var json = ErgonJson.SerializeRequest(request);
        return _seal?.Seal(json, Place(executorId, request.ExecutionId.Value)) ?? json;
    }

    /// <exception cref="ExecutorException">The request is damaged.</exception>
    public ExecutionRequest Read(string executorId, string id, byte[] stored)
    {
        // What was written before there was a key is JSON.
        if (_seal is null || stored is [(byte)'{', ..]) return ErgonJson.ParseRequest(stored);
        return _seal.Unseal(stored, Place(executorId, id)) is { } json
            ? ErgonJson.ParseRequest(json)
            : throw new ExecutorException(ErrorCode.StorageFailed, "The stored request is damaged, or was moved here from another execution.");
    }

    public void Dispose() => _seal?.Dispose();

    // Ids have no slash.
    private static string Place(string executorId, string id) => $"executions/{executorId}/{id}";

    private static void Write(SqliteConnection connection, byte[] check)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "INSERT INTO settings (name, value) VALUES ('key', $value)";
        command.Parameters.AddWithValue("$value", check);
        command.ExecuteNonQuery();
    }
}
