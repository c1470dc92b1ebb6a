using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>
/// The first process of a pid namespace around that of a job. It never collects a child, so that how the commands of an execution ended can
/// be read from the kernel by whoever comes after this process; and it holds what must not be lost until then. When it dies, the kernel
/// kills everything inside. Disposing lets go of it: unless it outlives this process, that ends it.
/// </summary>
internal sealed class Keeper : IDisposable
{
    /// <summary>
    /// The user of keepers: nobody else's, so that not even a job that kills everything it may kill can end its own sandbox.
    /// </summary>
    public const uint User = 65533;

    /// <summary>All that a keeper has to do: wait for the end of its input.</summary>
    public static readonly string[] WaitCommand = ["cat"];

    /// <summary>The programs that do it, of which the first that can be started is.</summary>
    public static readonly string[] WaitPrograms = ["/bin/cat", "/usr/bin/cat"];

    // wait.c starts in a fourth of the time; it runs on one architecture.
    private static readonly Lazy<SafeFileHandle?> InMemory = new(() => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? SealedMemory.Create("ergon-keeper", typeof(Keeper).Assembly, "wait.x64") : null);

    private readonly ChildProcess _process;
    private readonly SafeFileHandle? _lifeline;
    private readonly KernelEvents _events;
    private readonly HashSet<int> _known = [];

    private Keeper(ChildProcess process, SafeFileHandle? lifeline, KernelEvents events) => (_process, _lifeline, _events) = (process, lifeline, events);

    /// <summary>The same where the host's <c>/proc</c> is, with one before them that starts quicker.</summary>
    public static IReadOnlyList<string> HostWaitPrograms =>
        InMemory.Value is { } program ? [$"/proc/self/fd/{Descriptors.Number(program)}", .. WaitPrograms] : WaitPrograms;

    public int Id => _process.Id;

    /// <summary>Completes when it has ended, and with it everything inside.</summary>
    public Task Exit => _process.Exit;

    /// <summary>Runs a script that starts a keeper, and perhaps more around it.</summary>
    /// <param name="request">What it is given.</param>
    /// <param name="write">Writes the script; returns what <see cref="LaunchScript.StartKeeper"/> returned.</param>
    /// <param name="events">Tells when it ends.</param>
    /// <exception cref="LinuxException">The kernel refused a step; nothing is left of it.</exception>
    public static async Task<Keeper> StartAsync(KeeperRequest request, Func<LaunchScript, KeeperDescriptors, ScriptValue> write, KernelEvents events)
    {
        var (readEnd, writeEnd) = Descriptors.Pipe();
        using var ownEnd = readEnd;
        List<SafeFileHandle> handedOver = [];
        ChildProcess? process = null;
        try
        {
            using var nullDevice = Descriptors.Open("/dev/null", Libc.ReadWrite);
            using var script = new LaunchScript();
            // A spawn sets descriptor after descriptor: none may be overwritten before it is set itself.
            foreach (var kept in (int[])[.. request.Kept, Descriptors.Number(writeEnd)]) handedOver.Add(Descriptors.DuplicateHigh(kept));
            var numbers = handedOver.Select(Descriptors.Number).ToArray();
            var slot = write(script, new KeeperDescriptors(Descriptors.Number(nullDevice), Descriptors.Number(readEnd), numbers[^1], numbers[..^1]));
            var outcome = await script.RunAsync(events);
            if (script.Result(slot) is > 0 and var id) process = ChildProcess.Adopt((int)id, events);
            return outcome.Succeeded ? new Keeper(process!, request.Outlives ? null : writeEnd, events) : throw outcome.ToException();
        }
        catch
        {
            if (process is not null) await EndAsync(process);
            writeEnd.Dispose();
            throw;
        }
        finally
        {
            foreach (var handle in handedOver) handle.Dispose();
            if (request.Outlives) writeEnd.Dispose();
        }
    }

    /// <summary>Takes over the keeper that a former process started; <see langword="null"/> when it is gone.</summary>
    public static Keeper? Attach(int id, KernelEvents events)
    {
        try
        {
            return ProcessTable.Find(id) is { IsExiting: false } entry ? new Keeper(ChildProcess.Watch(id, entry.ParentId, events), null, events) : null;
        }
        catch (LinuxException)
        {
            return null;
        }
    }

    /// <summary>Does not count a process among the new children.</summary>
    public void Know(int id) => _known.Add(id);

    /// <summary>Finds the processes that have become its children since this was last asked, oldest first.</summary>
    public IReadOnlyList<ChildProcess> FindNewChildren() => [.. ProcessTable.ChildrenOf(Id).Where(_known.Add).Select(id => ChildProcess.Watch(id, Id, _events))];

    /// <summary>Opens what it has as one of its descriptors anew.</summary>
    public SafeFileHandle OpenKept(int descriptor, int flags) => Descriptors.Open($"/proc/{Id}/fd/{descriptor}", flags);

    /// <summary>Opens one of its namespaces (<c>mnt</c>, <c>net</c>, <c>pid</c>, ...).</summary>
    public SafeFileHandle OpenNamespace(string name) => Descriptors.Open($"/proc/{Id}/ns/{name}", Libc.ReadOnly);

    /// <summary>Ends it, with everything that is left inside.</summary>
    public async Task DestroyAsync()
    {
        _process.Kill();
        await _process.Exit;
    }

    public void Dispose()
    {
        _process.Dispose();
        _lifeline?.Dispose();
    }

    private static async Task EndAsync(ChildProcess process)
    {
        process.Kill();
        await process.Exit;
        process.Dispose();
    }
}
