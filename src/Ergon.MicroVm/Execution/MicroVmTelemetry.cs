using System.Diagnostics;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.MicroVm.Execution;

/// <summary>The steps of preparing a virtual machine as spans of the source <c>Ergon.MicroVm</c>, below the execution's own.</summary>
internal static class MicroVmTelemetry
{
    private static readonly ActivitySource Source = new("Ergon.MicroVm");

    /// <summary>Begins a step: <c>image</c>, <c>disks</c>, <c>vmm</c>, <c>boot</c>, <c>configure</c>.</summary>
    public static Activity? BeginPhase(string name) => Source.StartActivity(name);

    /// <summary>Notes of a boot what the guest's own clock says: how long until the agent began, and until it answered.</summary>
    public static void Describe(Activity? boot, WelcomeMessage welcome) => boot?
        .SetTag("ergon.guest.agent_start_ms", welcome.AgentStart / 1e6)
        .SetTag("ergon.guest.uptime_ms", welcome.Uptime / 1e6);
}
