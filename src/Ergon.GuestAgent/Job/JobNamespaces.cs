using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.GuestAgent.Job;

/// <summary>
/// The namespaces that the job lives in: it sees no process but its own, and its file system and nothing else. Their first process does
/// nothing; when it is killed, the kernel kills every other one.
/// </summary>
internal sealed class JobNamespaces : IDisposable
{
    private const string OwnProcesses = "/proc/self/ns/pid";

    private readonly ChildProcess _first;
    private readonly SafeFileHandle _own = Descriptors.Open(OwnProcesses, Libc.ReadOnly);
    private readonly SafeFileHandle _processes;
    private readonly SafeFileHandle _mounts;
    private readonly SafeFileHandle _ipc;

    private JobNamespaces(ChildProcess first)
    {
        _first = first;
        var directory = $"/proc/{first.Id}";
        _processes = Descriptors.Open(directory + "/ns/pid", Libc.ReadOnly);
        _mounts = Descriptors.Open(directory + "/ns/mnt", Libc.ReadOnly);
        _ipc = Descriptors.Open(directory + "/ns/ipc", Libc.ReadOnly);
        Root = Descriptors.Open(directory + "/root", Libc.PathOnly);
    }

    /// <summary>The root directory inside.</summary>
    public SafeFileHandle Root { get; }

    /// <summary>Whether everything inside is dead or about to be.</summary>
    public bool Ending { get; private set; }

    /// <summary>Completes when every process inside is dead.</summary>
    public Task Ended => _first.Exit;

    /// <summary>Makes namespaces whose first process runs a script that builds the file system and ends with staying.</summary>
    public static JobNamespaces Create(LaunchScript script, KernelEvents events)
    {
        var forked = script.Fork(Namespaces.Process | Namespaces.Mount | Namespaces.Ipc);
        var first = ChildProcess.Adopt(forked.Id, events);
        if (!forked.Outcome.Succeeded) throw forked.Outcome.ToException();
        return new JobNamespaces(first);
    }

    /// <summary>Adds the steps that enter them, but for the processes', into which a process can only be born.</summary>
    public void Enter(LaunchScript script)
    {
        script.Enter(Descriptors.Number(_ipc), Namespaces.Ipc);
        script.Enter(Descriptors.Number(_mounts), Namespaces.Mount);
    }

    /// <summary>Runs a script as a process inside.</summary>
    public ForkedProcess Fork(LaunchScript script)
    {
        BearInto(_processes);
        try
        {
            return script.Fork(Namespaces.None);
        }
        finally
        {
            BearInto(_own);
        }
    }

    /// <summary>Kills every process inside.</summary>
    public void Kill()
    {
        Ending = true;
        _first.Kill();
    }

    private static void BearInto(SafeFileHandle space) => Libc.Check(
        Libc.SystemCall(SystemCallNumbers.SetNamespace, Descriptors.Number(space), (nint)Namespaces.Process, 0, 0, 0), "choose where processes are born");

    public void Dispose()
    {
        _first.Dispose();
        _own.Dispose();
        _processes.Dispose();
        _mounts.Dispose();
        _ipc.Dispose();
        Root.Dispose();
    }
}
