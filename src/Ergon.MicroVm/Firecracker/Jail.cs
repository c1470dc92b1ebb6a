using Ergon.Linux;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>
/// The home of a process that is started by Firecracker's jailer: a directory that becomes its root, with links to the files that it is given. The
/// jailer makes the devices in it, goes into it, becomes the user and then executes Firecracker.
/// </summary>
internal sealed class Jail : IMachineHome
{
    private const string Sockets = "run";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _jailer;
    private readonly string _program;
    private readonly string _base;
    private readonly string _root;
    private readonly HomeFiles _files;
    private int _names;

    /// <param name="jailer">The jailer.</param>
    /// <param name="program">Firecracker.</param>
    /// <param name="plan">The machine.</param>
    /// <param name="user">The machine's own user.</param>
    public Jail(string jailer, string program, VmPlan plan, UserIdentity user)
    {
        (_jailer, _program, _base, _files, User) = (jailer, program, plan.Directory, new HomeFiles(plan.Directory, user), user);
        // The jailer's own rule: BASE/NAME/ID/root, where NAME is the program's.
        _root = Path.Combine(_base, Path.GetFileName(program), FirecrackerConfiguration.IdOf(plan), "root");
        Directory.CreateDirectory(SocketDirectory, OwnerOnly);
    }

    public string SocketDirectory => Path.Combine(_root, Sockets);

    public UserIdentity User { get; }

    public string Inside(string socketName) => $"/{Sockets}/{socketName}";

    public async Task<string> OpenAsync(string path, CancellationToken cancellationToken)
    {
        var (inside, outside) = NextFile();
        await _files.PutAsync(path, outside, cancellationToken);
        return inside;
    }

    public string OpenOwn(string path)
    {
        var (inside, outside) = NextFile();
        _files.GiveAway(path);
        Libc.Check(Libc.Link(path, outside), $"link {path} into the jail");
        return inside;
    }

    public async Task<string> PutAsync(VmDisk disk, CancellationToken cancellationToken)
    {
        var (inside, outside) = NextFile();
        await _files.PutAsync(disk, outside, cancellationToken);
        return inside;
    }

    public VmmCommand CommandFor(VmPlan plan) => new()
    {
        Program = _jailer,
        Arguments =
        [
            "--id", FirecrackerConfiguration.IdOf(plan), "--exec-file", _program, "--uid", $"{User.Uid}", "--gid", $"{User.Gid}", "--chroot-base-dir", _base,
            "--", .. FirecrackerArguments.Of(Inside(FirecrackerMachine.ApiName), Inside(VmmProcess.ErrorsName)),
        ],
        Owner = User,
        ErrorsLink = Path.Combine(SocketDirectory, VmmProcess.ErrorsName),
        OwnNetwork = plan.Tap is null,
    };

    private (string Inside, string Outside) NextFile()
    {
        var name = $"file{_names++}";
        return ($"/{name}", Path.Combine(_root, name));
    }

    public void Dispose()
    {
        // Nothing is held open; the directory is the execution's, and goes with it.
    }
}
