namespace Ergon.Linux;

/// <summary>Finds the keepers that other processes of a driver started, by what only a keeper has.</summary>
/// <param name="variable">The driver's own variable, which tells in the keeper's environment whose it is.</param>
internal sealed class KeeperMark(string variable)
{
    private const int FirstOfItsNamespace = 1;

    /// <summary>The mark of the keeper of an execution.</summary>
    public string Of(string executorId, string executionId) => $"{variable}={executorId}/{executionId}";

    /// <summary>The keepers of an executor id's executions.</summary>
    public IReadOnlyList<(int Id, string Execution)> Find(string executorId)
    {
        var beginning = $"{variable}={executorId}/";
        return [.. ProcessTable.WithVariable(beginning).Where(p => IsKeeper(p.Id)).Select(p => (p.Id, p.Variable[beginning.Length..]))];
    }

    /// <summary>Whether a process is the keeper with a mark.</summary>
    public static bool Is(int id, string mark) =>
        ProcessTable.WithVariable(id, mark) == mark && ProcessTable.Find(id) is { IsExiting: false } && IsKeeper(id);

    // A job can give itself any variable, but it is another user.
    private static bool IsKeeper(int id) => ProcessTable.OwnerOf(id) == Keeper.User && ProcessTable.InnermostIdOf(id) == FirstOfItsNamespace;
}
