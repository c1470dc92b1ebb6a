using System.Diagnostics;
using Ergon.MicroVm.Warm;

namespace Ergon.MicroVm.Tests.Guests;

/// <summary>The program that guests rehearse with.</summary>
public sealed class RehearsalProgramTests
{
    [Fact]
    public async Task It_writes_a_line_and_ends_well()
    {
        var token = TestContext.Current.CancellationToken;
        var directory = Directory.CreateTempSubdirectory("ergon-test-");
        var file = Path.Combine(directory.FullName, "program");
        await File.WriteAllBytesAsync(file, RehearsalProgram.Bytes, token);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserExecute);

        using var process = Process.Start(new ProcessStartInfo(file) { UseShellExecute = false, RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync(token);
        await process.WaitForExitAsync(token);

        (process.ExitCode, output).Should().Be((0, "\n"));
        directory.Delete(recursive: true);
    }
}
