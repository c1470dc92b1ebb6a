namespace Ergon.MicroVm.Tests.Guests;

/// <summary>The kernel that the tests boot, which scripts/test fetches.</summary>
internal static class TestGuest
{
    public const string Missing = "There is no guest kernel: scripts/test fetches one and sets ERGON_TEST_KERNEL.";

    /// <summary>The kernel; <see langword="null"/>: there is none.</summary>
    public static string? Kernel { get; } = Environment.GetEnvironmentVariable("ERGON_TEST_KERNEL") is { Length: > 0 } kernel ? kernel : null;
}
