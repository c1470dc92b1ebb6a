using Ergon.Linux;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>
/// Where the process of a machine lives: how it is started, and under which paths it finds what it is given. Disposing lets go of what was opened for
/// its start.
/// </summary>
internal interface IMachineHome : IDisposable
{
    /// <summary>The directory, as this process sees it, in which its sockets appear.</summary>
    string SocketDirectory { get; }

    /// <summary>The user that it becomes; <see langword="null"/>: it stays ours.</summary>
    UserIdentity? User { get; }

    /// <summary>The path under which the process opens a socket of that directory.</summary>
    string Inside(string socketName);

    /// <summary>Gives it a file that is only read, and returns the path under which it opens it.</summary>
    Task<string> OpenAsync(string path, CancellationToken cancellationToken);

    /// <summary>Gives it a file that is also written, and returns the path under which it opens it.</summary>
    string OpenOwn(string path);

    /// <summary>Puts a disk into it for the process that already runs, and returns the path under which that opens it.</summary>
    Task<string> PutAsync(VmDisk disk, CancellationToken cancellationToken);

    /// <summary>What starts it.</summary>
    VmmCommand CommandFor(VmPlan plan);
}
