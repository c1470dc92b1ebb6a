using Ergon.GuestAgent.Channel;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Job;

/// <summary>
/// Does with a job of nobody's, once, what a job needs, and undoes it. What has run once runs faster: the kernel has it in its caches, and a
/// VMM that translates has translated it.
/// </summary>
internal static class Rehearsal
{
    public static async Task RunAsync(GuestConfiguration configuration, KernelEvents events)
    {
        var job = ConfiguredJob.Create(configuration, events);
        // Nobody hears what it says.
        var sender = new FrameSender(static bytes => bytes.Length);
        sender.Reset(open: true);
        var execution = new JobExecution(job, events, sender);
        execution.Start();
        await execution.FinishAsync();
        job.Namespaces.Dispose();
        job.Cgroup.Remove();
        JobRoot.Unmount();
        GuestDisks.Unbind();
    }
}
