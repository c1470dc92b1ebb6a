using System.Globalization;
using Ergon.Linux;
using Ergon.Linux.Networking;
using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Vmm;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Qemu;

/// <summary>Runs machines in QEMU.</summary>
internal sealed class QemuVmm : IVmm
{
    private const string StateName = "state";

    private readonly QemuOptions _options;
    private readonly QemuProbe _probe;
    private readonly MachineSnapshots _snapshots;
    private readonly KernelEvents _events;
    private readonly TimeProvider _time;

    public QemuVmm(QemuOptions options, GuestBoot boot, string cache, KernelEvents events, ILogger logger, TimeProvider time)
    {
        (_options, _events, _time) = (options, events, time);
        _snapshots = new MachineSnapshots(Path.Combine(cache, "snapshots", "qemu"), options.MaxSnapshots, options.BootTimeout, logger, time);
        var canary = new KvmCanary(this, boot, cache, time);
        _probe = new QemuProbe(options, canary.BootsAsync);
    }

    public ValueTask<VmmFacts> ProbeAsync(CancellationToken cancellationToken) => _probe.FactsAsync(cancellationToken);

    public BootModules ModulesFor(string? machineType) => (machineType ?? _options.MachineTypes[0]) == "microvm" ? BootModules.QemuMicroVm : BootModules.QemuQ35;

    public bool TellsSerials => true;

    public bool ResetsDisks => true;

    public async ValueTask<IVirtualMachine> LaunchAsync(VmPlan plan, CancellationToken cancellationToken)
    {
        var facts = await _probe.FactsAsync(cancellationToken);
        if (!_options.Snapshots || !MachineSnapshots.AreFor(plan)) return await LaunchAsync(plan, facts.Acceleration, _probe.Program, null);
        var traits = Rounded(await RateAsync(facts.Acceleration));
        if (_snapshots.Find(plan, facts, traits) is { } state)
        {
            if (await TryRestoreAsync(plan, facts, state, cancellationToken) is { } restored) return restored;
            MachineSnapshots.Discard(state);
        }

        var machine = await LaunchAsync(plan, facts.Acceleration, _probe.Program, null);
        try
        {
            if (await _snapshots.TrySettleAsync(machine, cancellationToken))
            {
                await _snapshots.KeepAsync((directory, token) => SaveAsync(machine, directory, token), plan, facts, traits, cancellationToken);
                return machine;
            }
        }
        catch
        {
            await machine.EndAsync();
            throw;
        }

        await ClearAsync(machine, plan);
        return await LaunchAsync(plan, facts.Acceleration, _probe.Program, null);
    }

    private static async Task SaveAsync(QemuMachine machine, string directory, CancellationToken cancellationToken)
    {
        using var file = File.OpenHandle(Path.Combine(directory, StateName), FileMode.CreateNew, FileAccess.Write);
        await machine.SaveAsync(file, cancellationToken);
    }

    private async Task<QemuMachine?> TryRestoreAsync(VmPlan plan, VmmFacts facts, string state, CancellationToken cancellationToken)
    {
        if (Open(state) is not { } file) return null;
        return await _snapshots.TryRestoreAsync(
            state,
            File.GetLastWriteTimeUtc(file),
            _ => LaunchAsync(plan, facts.Acceleration, _probe.Program, file),
            static (machine, token) => machine.GoOnWhenLoadedAsync(token),
            machine => ClearAsync(machine, plan),
            cancellationToken);
    }

    // What is left of a machine that has ended would be in the way of the one that takes its place.
    private static async Task<string> ClearAsync(QemuMachine? machine, VmPlan plan)
    {
        var errors = machine is null ? "" : await machine.EndAsync();
        foreach (var name in new[] { QemuMachine.MonitorName, QemuMachine.AgentName, VmmProcess.ConsoleName, VmmProcess.ErrorsName }) File.Delete(Path.Combine(plan.Directory, name));
        return errors;
    }

    // Another process may have removed it, being old, since it was found.
    private static SafeFileHandle? Open(string state)
    {
        try
        {
            return File.OpenHandle(Path.Combine(state, StateName));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Starts a machine.</summary>
    /// <param name="plan">The machine.</param>
    /// <param name="acceleration">How its CPUs are run; it need not be known to work.</param>
    /// <param name="program">QEMU's program.</param>
    /// <param name="snapshot">The state that it begins with, which is disposed of; <see langword="null"/>: it boots.</param>
    public async Task<QemuMachine> LaunchAsync(VmPlan plan, string acceleration, string program, SafeFileHandle? snapshot)
    {
        var arguments = new QemuArguments(plan, plan.MachineType ?? _options.MachineTypes[0], acceleration, await RateAsync(acceleration));
        using var monitor = UnixSocket.Listen(plan.Directory, QemuMachine.MonitorName);
        using var agent = plan.HasAgent ? UnixSocket.Listen(plan.Directory, QemuMachine.AgentName) : null;
        using var tap = plan.Tap is { } wanted ? await TapDevice.AttachAsync(wanted.Name) : null;
        try
        {
            var command = new VmmCommand
            {
                Program = program,
                Arguments = arguments.Make(monitor, agent, tap, snapshot),
                User = VmmUser.Of(_options.User, withKvm: acceleration == "kvm"),
                OwnNetwork = true,
                Descriptors = arguments.Descriptors,
            };
            return new QemuMachine(await VmmProcess.StartAsync(command, plan, _events), plan.Directory, _time);
        }
        finally
        {
            foreach (var descriptor in arguments.Descriptors) descriptor.Dispose();
        }
    }

    // Two measurements of one rate differ by less.
    private static string Rounded(long tscKilohertz) => (tscKilohertz / 1000).ToString(CultureInfo.InvariantCulture);

    // Only a translated guest must be told.
    private static Task<long> RateAsync(string acceleration) => acceleration == "tcg" ? TimeStampCounter.KilohertzAsync() : Task.FromResult(0L);

    public ValueTask<IVirtualMachine?> AttachAsync(string directory, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IVirtualMachine?>(VmmProcess.Attach(directory, _events) is { } process ? new QemuMachine(process, directory, _time) : null);
}
