using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>
/// Holds a new child between its birth and its exec, so that it can be moved into a cgroup and be limited before it runs anything.
/// </summary>
/// <remarks>
/// A v2 cgroup can only be joined by whole processes, so the launching thread cannot join it beforehand. posix_spawn offers no place to
/// wait, except that opening a named pipe blocks until its other end is opened.
/// </remarks>
internal sealed class SpawnGate : IDisposable
{
    private const int KillSignal = 9;

    private readonly string _directory;
    private readonly SafeFileHandle _arrivalPath;
    private readonly SafeFileHandle _releasePath;
    private readonly SafeFileHandle _arrivalReader;
    private SafeFileHandle? _releaseWriter;

    private SpawnGate(string directory, SafeFileHandle arrivalPath, SafeFileHandle releasePath, SafeFileHandle arrivalReader)
    {
        (_directory, _arrivalPath, _releasePath, _arrivalReader) = (directory, arrivalPath, releasePath, arrivalReader);
        ArrivalPath = PathOf(arrivalPath);
        ReleasePath = PathOf(releasePath);
    }

    /// <summary>Leads to the first pipe, whatever is mounted where.</summary>
    public string ArrivalPath { get; }

    /// <summary>Leads to the second pipe.</summary>
    public string ReleasePath { get; }

    /// <summary>Whether the kernel lists the children of a thread, which the gate needs to find its child.</summary>
    public static bool IsSupported { get; } = File.Exists($"/proc/self/task/{Environment.ProcessId}/children");

    /// <summary>Makes a gate with its pipes in a private directory.</summary>
    public static SpawnGate Create(string parent)
    {
        var directory = Directory.CreateDirectory(Path.Combine(parent, $"gate-{Guid.NewGuid():n}"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        return new SpawnGate(directory, MakePipe(directory, "arrival"), MakePipe(directory, "release"), Descriptors.Open(
            Path.Combine(directory, "arrival"), Libc.ReadOnly | Libc.NonBlocking));
    }

    /// <summary>
    /// Runs a script whose spawn waits at this gate, and calls <paramref name="place"/> with the child's process id while it waits. When
    /// that fails the child is killed; the caller still has to collect it.
    /// </summary>
    public async Task<LaunchOutcome> RunAsync(LaunchScript script, KernelEvents events, Func<int, Task> place)
    {
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = events.Add(_arrivalReader, KernelEvents.HungUp, (_, _) => arrived.TrySetResult());
        var launch = script.RunAsync(events);
        Exception? failure = null;
        if (await Task.WhenAny(arrived.Task, launch) == arrived.Task)
        {
            var child = 0;
            try
            {
                child = FindChild(script);
                await place(child);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Without its limits it must not run.
                failure = e;
                if (child != 0) OtherProcess.Signal(child, KillSignal);
            }

            // Both ends: the child's open succeeds whether it has come that far or not.
            _releaseWriter = Descriptors.Open(Path.Combine(_directory, "release"), Libc.ReadWrite | Libc.NonBlocking);
        }

        var outcome = await launch;
        return failure is null ? outcome : throw new IOException($"The new process could not be limited: {failure.Message}", failure);
    }

    // The launching thread has one child, which may be the process that goes on with the script and then has one itself. It cannot have
    // ended, since nobody waits for it before the launch is over.
    private static int FindChild(LaunchScript script)
    {
        var child = LastChildOf($"/proc/self/task/{script.ThreadId}/children");
        return script.IsDivided ? LastChildOf($"/proc/{child}/task/{child}/children") : child;
    }

    private static int LastChildOf(string file)
    {
        var children = KernelFile.ReadText(file).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return children.Length > 0 ? int.Parse(children[^1]) : throw new IOException("The new process is not among the children of its launching thread.");
    }

    private static SafeFileHandle MakePipe(string directory, string name)
    {
        var path = Path.Combine(directory, name);
        Libc.Check(Libc.MakeFifo(path, 0x1b6), $"make the named pipe {path}");
        File.SetUnixFileMode(path, (UnixFileMode)0x1b6); // the job's user opens it; the directory keeps others out
        return Descriptors.Open(path, Libc.PathOnly);
    }

    private static string PathOf(SafeFileHandle handle) => $"/proc/self/fd/{handle.DangerousGetHandle()}";

    public void Dispose()
    {
        _releaseWriter?.Dispose();
        _arrivalReader.Dispose();
        _arrivalPath.Dispose();
        _releasePath.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
