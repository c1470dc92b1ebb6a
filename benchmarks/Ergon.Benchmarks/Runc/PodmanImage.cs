using System.Diagnostics;

namespace Ergon.Benchmarks.Runc;

/// <summary>The same root file system as an image of Podman's.</summary>
internal sealed class PodmanImage
{
    private const string Name = "localhost/ergon-benchmark";

    // The runtime is the same as for the others.
    private static readonly string[] Arguments = ["--runtime", "runc", "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", Name, "echo", "hello"];

    private PodmanImage()
    {
    }

    /// <summary>Makes it; <see langword="null"/>: Podman is not here, or cannot run it.</summary>
    public static async Task<PodmanImage?> TryMakeAsync(string root)
    {
        try
        {
            var tar = root + ".tar";
            await System.Formats.Tar.TarFile.CreateFromDirectoryAsync(root, tar, includeBaseDirectory: false);
            using (var import = System.Diagnostics.Process.Start(new ProcessStartInfo("podman", ["import", "--quiet", tar, Name]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true }))
            {
                await import!.WaitForExitAsync();
                if (import.ExitCode != 0) return null;
            }

            var image = new PodmanImage();
            await image.RunAsync();
            return image;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            await Console.Error.WriteLineAsync($"Podman is left out: {e.Message}");
            return null;
        }
    }

    public Task RunAsync() => ProcessBenchmark.SpawnAsync("podman", Arguments);
}
