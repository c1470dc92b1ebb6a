namespace Ergon.Firecracker.Tests;

/// <summary>
/// The Firecracker that is tested: a real one where <c>ERGON_TEST_FIRECRACKER</c> names it, else the stand-in, which has the same API and
/// boots the guests with QEMU.
/// </summary>
internal static class FirecrackerProgram
{
    private const string StandInName = "Ergon.Firecracker.StandIn";

    /// <summary>The path of the real one; <see langword="null"/>: the stand-in is tested.</summary>
    public static string? Real { get; } = Environment.GetEnvironmentVariable("ERGON_TEST_FIRECRACKER") is { Length: > 0 } path ? path : null;

    /// <summary>The stand-in's program.</summary>
    public static string StandIn { get; } = Path.Combine(AppContext.BaseDirectory, StandInName);

    /// <summary>The jailer: a real one's is looked for beside it; <see langword="null"/>: there is none.</summary>
    /// <param name="directory">Where the stand-in may be put.</param>
    public static async Task<string?> InstallJailerAsync(string directory)
    {
        if (Real is not null) return Path.Combine(Path.GetDirectoryName(Real)!, "jailer") is var beside && File.Exists(beside) ? beside : null;
        var script = Path.Combine(directory, "jailer");
        await File.WriteAllTextAsync(script, await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "jailer.sh")));
        File.SetUnixFileMode(script, (UnixFileMode)0b111_101_101);
        return script;
    }

    /// <summary>The program to test.</summary>
    /// <param name="directory">Where the stand-in may be put so that a machine's unprivileged user can start it.</param>
    /// <param name="standInVersion">The version that the stand-in imitates; <see langword="null"/>: its usual one.</param>
    public static async Task<string> InstallAsync(string directory, string? standInVersion = null)
    {
        if (Real is not null) return Real;
        foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory, "*").Where(f => Path.GetFileName(f).StartsWith(StandInName, StringComparison.Ordinal) || Path.GetFileName(f) == "Ergon.Linux.dll"))
            File.Copy(file, Path.Combine(directory, Path.GetFileName(file)));
        // A runtime that is killed leaves its debugger's sockets behind, unless it has none.
        var script = Path.Combine(directory, "firecracker");
        await File.WriteAllTextAsync(script, $"#!/bin/sh\nexport DOTNET_EnableDiagnostics=0 ERGON_STAND_IN_VERSION={standInVersion}\nexec {Path.Combine(directory, StandInName)} \"$@\"\n");
        const UnixFileMode Executable = (UnixFileMode)0b111_101_101;
        File.SetUnixFileMode(script, Executable);
        File.SetUnixFileMode(directory, Executable);
        return script;
    }
}
