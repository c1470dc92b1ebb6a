using System.Runtime.Versioning;
using Ergon.Linux;

namespace Ergon.Process.Sandboxing;

/// <summary>Finds the keepers of sandboxes that other processes made, by what only a keeper has.</summary>
[SupportedOSPlatform("linux")]
internal static class Keepers
{
    /// <summary>The variable that tells whose keeper it is.</summary>
    public const string MarkName = "ERGON_KEEPER";

    private const int FirstOfItsNamespace = 1;

    /// <summary>The mark of the keeper of an execution.</summary>
    public static string MarkOf(string executorId, ExecutionId executionId) => $"{MarkName}={executorId}/{executionId}";

    /// <summary>The keepers of an executor id's executions.</summary>
    public static IReadOnlyList<(int Id, string Execution)> Find(string executorId)
    {
        var beginning = $"{MarkName}={executorId}/";
        return [.. ProcessTable.WithVariable(beginning).Where(p => IsKeeper(p.Id)).Select(p => (p.Id, p.Variable[beginning.Length..]))];
    }

    /// <summary>Whether a process is the keeper with a mark.</summary>
    public static bool Is(int id, string mark) =>
        ProcessTable.WithVariable(id, mark) == mark && ProcessTable.Find(id) is { IsExiting: false } && IsKeeper(id);

    // A job can give itself any variable, but it is another user.
    private static bool IsKeeper(int id) =>
        ProcessTable.OwnerOf(id) == SandboxScript.KeeperUser && ProcessTable.InnermostIdOf(id) == FirstOfItsNamespace;
}
