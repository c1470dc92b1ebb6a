using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

internal sealed partial class LaunchScript
{
    /// <summary>Executes the script on a thread of its own, which ends with it.</summary>
    public async Task<LaunchOutcome> RunAsync(KernelEvents events)
    {
        using var done = new SafeFileHandle((nint)Libc.Check(Libc.EventFd(0, Libc.CloseOnExec | Libc.NonBlocking), "create an eventfd"), ownsHandle: true);
        var completion = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = events.Add(done, KernelEvents.Readable, (_, _) => completion.TrySetResult());
        // The stack only carries the walk through the steps; a spawned child gets a stack of its own from libc.
        new Thread(static state => LaunchThread.Execute((nint)state!), 256 * 1024) { IsBackground = true, Name = "ergon-launch" }
            .UnsafeStart(Prepare(done));
        await completion.Task;
        return ReadOutcome();
    }
}
