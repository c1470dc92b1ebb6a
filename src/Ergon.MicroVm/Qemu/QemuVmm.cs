using Ergon.Linux;
using Ergon.Linux.Networking;
using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Qemu;

/// <summary>Runs machines in QEMU.</summary>
internal sealed class QemuVmm : IVmm
{
    private readonly QemuOptions _options;
    private readonly QemuProbe _probe;
    private readonly KernelEvents _events;
    private readonly TimeProvider _time;

    public QemuVmm(QemuOptions options, GuestBoot boot, string cache, KernelEvents events, TimeProvider time)
    {
        (_options, _events, _time) = (options, events, time);
        var canary = new KvmCanary(this, boot, cache, time);
        _probe = new QemuProbe(options, canary.BootsAsync);
    }

    public ValueTask<VmmFacts> ProbeAsync(CancellationToken cancellationToken) => _probe.FactsAsync(cancellationToken);

    public BootModules ModulesFor(string? machineType) => (machineType ?? _options.MachineTypes[0]) == "microvm" ? BootModules.QemuMicroVm : BootModules.QemuQ35;

    public async ValueTask<IVirtualMachine> LaunchAsync(VmPlan plan, CancellationToken cancellationToken) =>
        await LaunchAsync(plan, (await _probe.FactsAsync(cancellationToken)).Acceleration, _probe.Program);

    /// <summary>Starts a machine with an acceleration that is not yet known to work.</summary>
    public async Task<QemuMachine> LaunchAsync(VmPlan plan, string acceleration, string program)
    {
        var rate = acceleration == "tcg" ? await TimeStampCounter.KilohertzAsync() : 0;
        var arguments = new QemuArguments(plan, plan.MachineType ?? _options.MachineTypes[0], acceleration, rate);
        using var monitor = UnixSocket.Listen(plan.Directory, QemuMachine.MonitorName);
        using var agent = plan.HasAgent ? UnixSocket.Listen(plan.Directory, QemuMachine.AgentName) : null;
        using var tap = plan.Tap is { } wanted ? TapDevice.Attach(wanted.Name) : null;
        try
        {
            var command = new VmmCommand
            {
                Program = program,
                Arguments = arguments.Make(monitor, agent, tap),
                User = VmmUser.Of(_options.User, withKvm: acceleration == "kvm"),
                Descriptors = arguments.Descriptors,
            };
            return new QemuMachine(await VmmProcess.StartAsync(command, plan, _events), plan.Directory, _time);
        }
        finally
        {
            foreach (var descriptor in arguments.Descriptors) descriptor.Dispose();
        }
    }

    public ValueTask<IVirtualMachine?> AttachAsync(string directory, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IVirtualMachine?>(VmmProcess.Attach(directory, _events) is { } process ? new QemuMachine(process, directory, _time) : null);
}
