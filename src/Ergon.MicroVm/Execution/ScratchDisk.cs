using CliWrap;
using CliWrap.Buffered;
using CliWrap.Exceptions;

namespace Ergon.MicroVm.Execution;

/// <summary>Makes the disk that takes what a job writes.</summary>
internal static class ScratchDisk
{
    private const string Name = "scratch.ext4";

    /// <summary>Makes one in a directory and returns its path.</summary>
    /// <exception cref="IOException">It could not be made; the message says what to do.</exception>
    public static async Task<string> MakeAsync(string directory, long bytes, CancellationToken cancellationToken)
    {
        var path = Path.Combine(directory, Name);
        // Sparse: it takes up only what the job writes, and that is what it is limited to.
        await using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None)) file.SetLength(bytes);
        try
        {
            await Cli.Wrap("mke2fs")
                .WithArguments(["-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0", path])
                .WithEnvironmentVariables(variables => variables.Set("PATH", $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin"))
                .ExecuteBufferedAsync(cancellationToken);
            return path;
        }
        catch (Exception e) when (e is CommandExecutionException or System.ComponentModel.Win32Exception)
        {
            throw new IOException($"The scratch disk could not be made: {e.Message.Trim()} Install e2fsprogs, and see that there is space in {directory}.", e);
        }
    }
}
