using Ergon.Linux;
using Ergon.Linux.Networking;
using Ergon.MicroVm.Vmm;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Firecracker;

/// <summary>
/// The home of a process without a jail. Files are opened here and handed to it, and it opens them again by the number: so it needs no access to the
/// directories that they lie in. It does need access to the files themselves: of one that its user may not read, it gets a copy.
/// </summary>
internal sealed class OpenHome : IMachineHome
{
    public const string DirectoryName = "vmm";
    private const int FirstDescriptor = 3;

    private readonly string _program;
    private readonly HomeFiles _files;
    private readonly List<SafeFileHandle> _handles = [];
    private int _names;

    /// <param name="program">Firecracker.</param>
    /// <param name="parent">The machine's directory.</param>
    /// <param name="user">The user of the process; <see langword="null"/>: our own.</param>
    public OpenHome(string program, string parent, UserIdentity? user)
    {
        (_program, _files, User) = (program, new HomeFiles(parent, user), user);
        SocketDirectory = Path.Combine(parent, DirectoryName);
        Directory.CreateDirectory(SocketDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        // Firecracker makes its sockets itself, as the user that it is.
        _files.GiveAway(SocketDirectory);
    }

    public string SocketDirectory { get; }

    public UserIdentity? User { get; }

    public string Inside(string socketName) => socketName;

    public async Task<string> OpenAsync(string path, CancellationToken cancellationToken)
    {
        var handle = File.OpenHandle(path);
        if (User is null || AccessRights.May(User, FileStatus.Of(handle), AccessRights.Read)) return Hand(handle);
        handle.Dispose();
        var copy = Path.Combine(SocketDirectory, NextName());
        await _files.PutAsync(path, copy, cancellationToken);
        return Hand(File.OpenHandle(copy));
    }

    public string OpenOwn(string path)
    {
        _files.GiveAway(path);
        return Hand(File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite));
    }

    // Into the directory in which the process is: it has no other to pass.
    public async Task<string> PutAsync(VmDisk disk, CancellationToken cancellationToken)
    {
        var name = NextName();
        await _files.PutAsync(disk, Path.Combine(SocketDirectory, name), cancellationToken);
        return name;
    }

    public VmmCommand CommandFor(VmPlan plan) => new()
    {
        Program = _program,
        Arguments = ["--id", FirecrackerConfiguration.IdOf(plan), .. FirecrackerArguments.Of(Inside(FirecrackerMachine.ApiName), "/proc/self/fd/2")],
        User = User,
        Devices = plan.Tap is null ? [VmmProbe.KvmDevice] : [VmmProbe.KvmDevice, TapDevice.Path],
        OwnNetwork = plan.Tap is null,
        WorkingDirectory = SocketDirectory,
        Descriptors = _handles,
    };

    private string NextName() => $"file{_names++}";

    private string Hand(SafeFileHandle handle)
    {
        _handles.Add(handle);
        return $"/proc/self/fd/{FirstDescriptor + _handles.Count - 1}";
    }

    public void Dispose()
    {
        foreach (var handle in _handles) handle.Dispose();
    }
}
