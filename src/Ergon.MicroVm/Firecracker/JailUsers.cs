using System.Globalization;
using Ergon.Linux;

namespace Ergon.MicroVm.Firecracker;

/// <summary>
/// Gives each machine a user of its own, unique among all processes of this system that use the same directory: the file of a number belongs to whoever
/// made it, and says for which machine.
/// </summary>
internal sealed class JailUsers(JailerOptions options)
{
    private const string LockName = "lock";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly Dictionary<string, string> _taken = new(StringComparer.Ordinal);

    /// <summary>Takes a number for a machine.</summary>
    /// <param name="machineDirectory">The machine's directory: when it is gone, so is the machine.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">All are taken.</exception>
    public async Task<UserIdentity> TakeAsync(string machineDirectory, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.StateDirectory, OwnerOnly);
        // Held for the moments that looking takes, so that no two find the same number free.
        using var gate = await FileLock.TakeAsync(Path.Combine(options.StateDirectory, LockName), cancellationToken);
        var start = Random.Shared.Next(options.UserIds);
        for (var i = 0; i < options.UserIds; i++)
        {
            var id = (uint)(options.FirstUserId + ((start + i) % options.UserIds));
            var file = Path.Combine(options.StateDirectory, id.ToString(CultureInfo.InvariantCulture));
            // One whose machine's directory is gone was left by a process that died.
            if (File.Exists(file) && Directory.Exists(await File.ReadAllTextAsync(file, cancellationToken))) continue;
            await File.WriteAllTextAsync(file, machineDirectory, cancellationToken);
            lock (_taken) _taken[machineDirectory] = file;
            return new UserIdentity(id, id, []);
        }

        throw new IOException($"All {options.UserIds} users for jails are taken (the option Jailer.UserIds); {options.StateDirectory} says by which machines.");
    }

    /// <summary>Gives the number of a machine back, if it has one. That of a machine which a former process started is free when its directory is gone.</summary>
    public void GiveBack(string machineDirectory)
    {
        lock (_taken)
        {
            if (_taken.Remove(machineDirectory, out var file)) File.Delete(file);
        }
    }
}
