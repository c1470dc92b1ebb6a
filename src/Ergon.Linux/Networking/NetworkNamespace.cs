using System.Runtime.InteropServices;

namespace Ergon.Linux.Networking;

/// <summary>Does things in other network namespaces.</summary>
internal static class NetworkNamespace
{
    /// <summary>Does something in a network namespace, on a thread of its own that ends with it.</summary>
    /// <param name="networkNamespace">The namespace; the caller keeps it open.</param>
    /// <param name="action">What to do; it starts nothing that outlives it.</param>
    /// <exception cref="LinuxException">The kernel refused, or the action did.</exception>
    public static async Task RunAsync(SafeHandle networkNamespace, Action action)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(Run, 256 * 1024) { IsBackground = true, Name = "ergon-network" }.UnsafeStart();
        await done.Task;

        void Run()
        {
            try
            {
                Libc.Check(Libc.SystemCall(SystemCallNumbers.SetNamespace, Descriptors.Number(networkNamespace), (nint)Namespaces.Network, 0, 0, 0), "enter a network namespace");
                action();
                done.TrySetResult();
            }
            catch (Exception e)
            {
                // An edge: whoever waits must be told, whatever it is.
                done.TrySetException(e);
            }
        }
    }
}
