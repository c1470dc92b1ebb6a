using System.Runtime.Versioning;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Process.Sandboxing;

/// <summary>
/// Namespaces with a file system of their own, kept alive by an init process. Disposing it kills everything inside.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class Sandbox : IAsyncDisposable
{
    private static readonly (string Name, Namespaces Kind)[] AllNamespaces =
    [
        ("ipc", Namespaces.Ipc), ("uts", Namespaces.HostName), ("net", Namespaces.Network), ("pid", Namespaces.Process), ("mnt", Namespaces.Mount),
    ];

    private readonly ChildProcess _init;
    private readonly SafeFileHandle _lifeline;

    private Sandbox(ChildProcess init, SafeFileHandle lifeline, SandboxSpec spec) => (_init, _lifeline, Spec) = (init, lifeline, spec);

    public SandboxSpec Spec { get; }

    /// <summary>The init process, as the host sees it.</summary>
    public int InitId => _init.Id;

    /// <summary>Completes when everything inside is dead.</summary>
    public Task Ended => _init.Exit;

    /// <summary>Makes a sandbox.</summary>
    /// <exception cref="LinuxException">The kernel refused a step; nothing is left of it.</exception>
    public static async Task<Sandbox> CreateAsync(SandboxSpec spec, SandboxLayout layout, KernelEvents events, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(spec.Directory + "/root");
        Directory.CreateDirectory(spec.Directory + "/private");
        var (read, write) = Descriptors.Pipe();
        try
        {
            using var nullDevice = Descriptors.Open("/dev/null", Libc.ReadWrite);
            using var script = new LaunchScript();
            var slot = new SandboxScript(script, spec, layout).Write(Descriptors.Number(nullDevice), Descriptors.Number(read));
            var outcome = await script.RunAsync(events);
            var init = script.Result(slot) is > 0 and var id ? ChildProcess.Adopt((int)id, events) : null;
            if (outcome.Succeeded && !cancellationToken.IsCancellationRequested) return new Sandbox(init!, write, spec);
            if (init is not null) await EndAsync(init);
            cancellationToken.ThrowIfCancellationRequested();
            throw outcome.ToException();
        }
        catch
        {
            write.Dispose();
            throw;
        }
        finally
        {
            read.Dispose();
        }
    }

    /// <summary>Opens the namespaces for a thread to enter; the caller disposes the handles.</summary>
    public IReadOnlyList<(SafeFileHandle Handle, Namespaces Kind)> OpenNamespaces()
    {
        var handles = new List<(SafeFileHandle, Namespaces)>();
        try
        {
            foreach (var (name, kind) in AllNamespaces)
                if (kind != Namespaces.Network || Spec.OwnNetwork) handles.Add((Descriptors.Open($"/proc/{InitId}/ns/{name}", Libc.ReadOnly), kind));
            return handles;
        }
        catch
        {
            foreach (var (handle, _) in handles) handle.Dispose();
            throw;
        }
    }

    /// <summary>A path of the sandbox, as this process can open it while the sandbox lives.</summary>
    public string PathInside(string path) => $"/proc/{InitId}/root{path}";

    /// <summary>Whether the init process is ending although <see cref="Kill"/> was not called: somebody else killed it.</summary>
    public bool IsDying => _init.Exit.IsCompleted || ProcessTable.Find(InitId) is not { IsExiting: false };

    /// <summary>Kills everything inside.</summary>
    public void Kill() => _init.Kill();

    public async ValueTask DisposeAsync()
    {
        await EndAsync(_init);
        _lifeline.Dispose();
    }

    private static async Task EndAsync(ChildProcess init)
    {
        init.Kill();
        await init.Exit;
        init.Dispose();
    }
}
