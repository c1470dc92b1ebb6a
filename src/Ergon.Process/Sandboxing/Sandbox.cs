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

    private readonly Keeper _keeper;
    private readonly ChildProcess _init;

    private Sandbox(Keeper keeper, ChildProcess init, SandboxSpec spec)
    {
        (_keeper, _init, Spec) = (keeper, init, spec);
        keeper.Know(init.Id);
    }

    /// <summary>What only the keepers of sandboxes have.</summary>
    public static KeeperMark Keepers { get; } = new("ERGON_KEEPER");

    public SandboxSpec Spec { get; }

    /// <summary>The process that holds what must not be lost.</summary>
    public Keeper Keeper => _keeper;

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
        var request = new KeeperRequest { Mark = spec.Mark, Outlives = spec.Outlives, Kept = spec.Kept };
        var keeper = await Keeper.StartAsync(request, (script, descriptors) => new SandboxScript(script, spec, layout).Write(request, descriptors), events);
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            return Around(keeper, spec, events);
        }
        catch
        {
            await keeper.DestroyAsync();
            keeper.Dispose();
            throw;
        }
    }

    /// <summary>Takes over the sandbox of a keeper that a former process made; <see langword="null"/> when it was not finished or is gone.</summary>
    public static Sandbox? Attach(int keeperId, SandboxSpec spec, KernelEvents events)
    {
        if (Keeper.Attach(keeperId, events) is not { } keeper) return null;
        try
        {
            return Around(keeper, spec, events);
        }
        catch (LinuxException)
        {
            keeper.Dispose();
            return null;
        }
    }

    // The first child of the keeper is the init process.
    private static Sandbox Around(Keeper keeper, SandboxSpec spec, KernelEvents events)
    {
        var init = ProcessTable.ChildrenOf(keeper.Id).FirstOrDefault(IsInit);
        if (init == 0) throw new LinuxException("find the init process of a sandbox", Errno.NoSuchProcess);
        return new Sandbox(keeper, ChildProcess.Watch(init, keeper.Id, events), spec);
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
    public IReadOnlyList<ChildProcess> FindNewCommands() => _keeper.FindNewChildren();

    /// <summary>A path of the sandbox, as this process can open it while the sandbox lives.</summary>
    public string PathInside(string path) => $"/proc/{InitId}/root{path}";

    /// <summary>Whether it has ended or is ending.</summary>
    public bool IsDying => _keeper.Exit.IsCompleted || ProcessTable.Find(InitId) is not { IsExiting: false };

    /// <summary>Kills everything that the job can see. How its commands ended can still be read.</summary>
    public void Kill() => _init.Kill();

    /// <summary>Ends it for good, with everything that is left inside.</summary>
    public Task DestroyAsync() => _keeper.DestroyAsync();

    public void Dispose()
    {
        _init.Dispose();
        _keeper.Dispose();
    }
}
