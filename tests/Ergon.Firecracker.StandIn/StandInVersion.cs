namespace Ergon.Firecracker.StandIn;

/// <summary>The version of Firecracker whose behaviour this program imitates.</summary>
internal static class StandInVersion
{
    private const string Usual = "1.16.1";

    // A test may ask for another one.
    public static string Number { get; } = Environment.GetEnvironmentVariable("ERGON_STAND_IN_VERSION") is { Length: > 0 } other ? other : Usual;

    /// <summary>Whether nothing of the host reaches the guest any more through the vsock once the machine has been told to go on, paused or not.</summary>
    public static bool DeafensResumedGuests { get; } = Number.StartsWith("1.16.", StringComparison.Ordinal);

    public static string Text { get; } = $"Firecracker v{Number} (a stand-in for tests, with QEMU behind its API; this is not Firecracker)";
}
