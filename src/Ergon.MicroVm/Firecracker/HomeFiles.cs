using CliWrap;
using CliWrap.Buffered;
using CliWrap.Exceptions;
using Ergon.Linux;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Puts files where the process of a machine finds them.</summary>
/// <param name="directory">The machine's directory, in which the home is and which is ours alone.</param>
/// <param name="user">The user of the process; <see langword="null"/>: our own.</param>
internal sealed class HomeFiles(string directory, UserIdentity? user)
{
    /// <summary>Gives a file another name there, or puts a copy there where that cannot be: on another file system, or when the user may not read it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="place">The new path.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">It could not be done.</exception>
    public async Task PutAsync(string path, string place, CancellationToken cancellationToken)
    {
        bool readable;
        using (var handle = File.OpenHandle(path)) readable = user is null || AccessRights.May(user, FileStatus.Of(handle), AccessRights.Read);
        if (readable && Libc.Link(path, place) == 0) return;
        // Made where the process cannot get at it: what it has put in that place is not followed but replaced.
        var copy = Path.Combine(directory, $"copy-{Guid.NewGuid():n}");
        try
        {
            await CopyAsync(path, copy, cancellationToken);
            GiveAway(copy);
            File.Move(copy, place, overwrite: true);
        }
        finally
        {
            File.Delete(copy);
        }
    }

    /// <summary>Puts a disk there as <see cref="PutAsync(string, string, CancellationToken)"/> does; one that is written is made the user's.</summary>
    public Task PutAsync(VmDisk disk, string place, CancellationToken cancellationToken)
    {
        if (!disk.ReadOnly) GiveAway(disk.Path);
        return PutAsync(disk.Path, place, cancellationToken);
    }

    /// <summary>Makes a file or a directory the user's.</summary>
    public void GiveAway(string path)
    {
        if (user is not null) Libc.Check(Libc.ChangeOwner(path, user.Uid, user.Gid), $"give {path} to user {user.Uid}");
    }

    // A disk is mostly holes, which .NET would fill.
    private static async Task CopyAsync(string path, string copy, CancellationToken cancellationToken)
    {
        try
        {
            await Cli.Wrap("cp").WithArguments(["--sparse=auto", "--reflink=auto", "--", path, copy]).ExecuteBufferedAsync(cancellationToken);
        }
        catch (Exception e) when (e is CommandExecutionException or System.ComponentModel.Win32Exception)
        {
            throw new IOException($"{path} could not be brought to a machine: {e.Message.Trim()}", e);
        }
    }
}
