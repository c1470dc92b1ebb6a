using System.Runtime.Versioning;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Process.Sandboxing;

/// <summary>
/// Namespaces with a file system of their own, kept alive by a keeper and an init process. Disposing it lets go of it: unless it outlives
/// this process, that kills everything inside.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class Sandbox : IDisposable
{
    private static readonly (string Name, Namespaces Kind)[] AllNamespaces =
    [
        ("ipc", Namespaces.Ipc), ("uts", Namespaces.HostName), ("net", Namespaces.Network), ("pid", Namespaces.Process), ("mnt", Namespaces.Mount),
    ];

    private readonly ChildProcess _keeper;
    private readonly ChildProcess _init;
    private readonly SafeFileHandle? _lifeline;
    private readonly KernelEvents _events;
    private readonly HashSet<int> _known = [];

    private Sandbox(ChildProcess keeper, ChildProcess init, SafeFileHandle? lifeline, SandboxSpec spec, KernelEvents events)
    {
        (_keeper, _init, _lifeline, Spec, _events) = (keeper, init, lifeline, spec, events);
        _known.Add(init.Id);
    }

    public SandboxSpec Spec { get; }

    /// <summary>The init process, as the host sees it.</summary>
    public int InitId => _init.Id;

    /// <summary>The keeper, as the host sees it.</summary>
    public int KeeperId => _keeper.Id;

    /// <summary>Makes a sandbox.</summary>
    /// <exception cref="LinuxException">The kernel refused a step; nothing is left of it.</exception>
    public static async Task<Sandbox> CreateAsync(SandboxSpec spec, SandboxLayout layout, KernelEvents events, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(spec.Directory + "/root");
        Directory.CreateDirectory(spec.Directory + "/private");
        var (read, write) = Descriptors.Pipe();
        using var ownEnd = read;
        List<SafeFileHandle> handedOver = [];
        ChildProcess? keeper = null;
        try
        {
            using var nullDevice = Descriptors.Open("/dev/null", Libc.ReadWrite);
            using var script = new LaunchScript();
            // A spawn sets descriptor after descriptor: none may be overwritten before it is set itself.
            foreach (var kept in (int[])[.. spec.Kept, Descriptors.Number(write)]) handedOver.Add(Descriptors.DuplicateHigh(kept));
            var numbers = handedOver.Select(Descriptors.Number).ToArray();
            var slot = new SandboxScript(script, spec with { Kept = numbers[..^1] }, layout).Write(
                Descriptors.Number(nullDevice), (Descriptors.Number(read), numbers[^1]));
            var outcome = await script.RunAsync(events);
            if (script.Result(slot) is > 0 and var id) keeper = ChildProcess.Adopt((int)id, events);
            if (!outcome.Succeeded) throw outcome.ToException();
            cancellationToken.ThrowIfCancellationRequested();
            return Around(keeper!, spec.Outlives ? null : write, spec, events);
        }
        catch
        {
            if (keeper is not null) await EndAsync(keeper);
            write.Dispose();
            throw;
        }
        finally
        {
            foreach (var handle in handedOver) handle.Dispose();
            if (spec.Outlives) write.Dispose();
        }
    }

    /// <summary>Takes over the sandbox of a keeper that a former process made; <see langword="null"/> when it was not finished or is gone.</summary>
    public static Sandbox? Attach(int keeperId, SandboxSpec spec, KernelEvents events)
    {
        if (ProcessTable.Find(keeperId) is not { IsExiting: false } entry) return null;
        var keeper = ChildProcess.Watch(keeperId, entry.ParentId, events);
        try
        {
            return Around(keeper, null, spec, events);
        }
        catch (LinuxException)
        {
            keeper.Dispose();
            return null;
        }
    }

    // The first child of the keeper is the init process.
    private static Sandbox Around(ChildProcess keeper, SafeFileHandle? lifeline, SandboxSpec spec, KernelEvents events)
    {
        var init = ProcessTable.ChildrenOf(keeper.Id).FirstOrDefault(IsInit);
        if (init == 0) throw new LinuxException("find the init process of a sandbox", Errno.NoSuchProcess);
        return new Sandbox(keeper, ChildProcess.Watch(init, keeper.Id, events), lifeline, spec, events);
    }

    private static bool IsInit(int id) => ProcessTable.InnermostIdOf(id) == 1;

    /// <summary>Opens the namespaces for a thread to enter; the caller disposes the handles.</summary>
    /// <param name="asKeeper">Whether to be, among the processes, where the keeper is, outside of what the job sees.</param>
    public IReadOnlyList<(SafeFileHandle Handle, Namespaces Kind)> OpenNamespaces(bool asKeeper)
    {
        var handles = new List<(SafeFileHandle, Namespaces)>();
        try
        {
            foreach (var (name, kind) in AllNamespaces)
            {
                if (kind == Namespaces.Network && !Spec.OwnNetwork) continue;
                handles.Add((asKeeper && kind == Namespaces.Process ? OpenProcessNamespace(KeeperId) : Descriptors.Open($"/proc/{InitId}/ns/{name}", Libc.ReadOnly), kind));
            }

            return handles;
        }
        catch
        {
            foreach (var (handle, _) in handles) handle.Dispose();
            throw;
        }
    }

    /// <summary>Opens the pid namespace of the job.</summary>
    public SafeFileHandle OpenProcessNamespace() => OpenProcessNamespace(InitId);

    private static SafeFileHandle OpenProcessNamespace(int id) => Descriptors.Open($"/proc/{id}/ns/pid", Libc.ReadOnly);

    /// <summary>Finds the commands that have become children of the keeper since this was last asked, oldest first.</summary>
    public IReadOnlyList<ChildProcess> FindNewCommands() =>
        [.. ProcessTable.ChildrenOf(KeeperId).Where(_known.Add).Select(id => ChildProcess.Watch(id, KeeperId, _events))];

    /// <summary>A path of the sandbox, as this process can open it while the sandbox lives.</summary>
    public string PathInside(string path) => $"/proc/{InitId}/root{path}";

    /// <summary>Opens what the keeper has as one of its descriptors anew.</summary>
    public SafeFileHandle OpenKept(int descriptor, int flags) => Descriptors.Open($"/proc/{KeeperId}/fd/{descriptor}", flags);

    /// <summary>Whether it has ended or is ending.</summary>
    public bool IsDying => _keeper.Exit.IsCompleted || ProcessTable.Find(InitId) is not { IsExiting: false };

    /// <summary>Kills everything that the job can see. How its commands ended can still be read.</summary>
    public void Kill() => _init.Kill();

    /// <summary>Ends it for good, with everything that is left inside.</summary>
    public async Task DestroyAsync()
    {
        _keeper.Kill();
        await _keeper.Exit;
    }

    public void Dispose()
    {
        _init.Dispose();
        _keeper.Dispose();
        _lifeline?.Dispose();
    }

    private static async Task EndAsync(ChildProcess keeper)
    {
        keeper.Kill();
        await keeper.Exit;
        keeper.Dispose();
    }
}
