namespace Ergon.Firecracker.StandIn;

/// <summary>The version of Firecracker whose behaviour this program imitates.</summary>
internal static class StandInVersion
{
    public const string Number = "1.16.1";

    public const string Text = $"Firecracker v{Number} (a stand-in for tests, with QEMU behind its API; this is not Firecracker)";
}
