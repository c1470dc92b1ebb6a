namespace Ergon.MicroVm.Firecracker;

/// <summary>The arguments that Firecracker gets, in a jail or not.</summary>
internal static class FirecrackerArguments
{
    /// <param name="apiSocket">Where it makes the socket of its API.</param>
    /// <param name="log">Where it writes its log.</param>
    public static IReadOnlyList<string> Of(string apiSocket, string log) => ["--api-sock", apiSocket, "--log-path", log, "--level", "Error"];
}
