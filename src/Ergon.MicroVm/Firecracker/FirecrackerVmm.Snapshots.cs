using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

internal sealed partial class FirecrackerVmm
{
    private volatile bool _keepsNone;

    // What Firecracker keeps in a state and a machine that begins with it cannot be given.
    private string Traits => $"{options.Jailer is not null} {options.CpuTemplate} {options.DiskBytesPerSecond} {options.Balloon}";

    private async Task<FirecrackerMachine> CopyAsync(MachineSnapshots snapshots, VmPlan plan, VmmFacts facts, CancellationToken cancellationToken)
    {
        var isNew = snapshots.Find(plan, facts, Traits) is null && await MakeAsync(snapshots, plan, facts, cancellationToken);
        if (snapshots.Find(plan, facts, Traits) is not { } state) return await StartAsync(plan, null, cancellationToken);
        if (await TryRestoreAsync(snapshots, plan, state, cancellationToken) is { } restored) return restored;
        MachineSnapshots.Discard(state);
        // The next one would work no better than one that was made just now.
        if (isNew) _keepsNone = true;
        return await StartAsync(plan, null, cancellationToken);
    }

    // One boots for all that wait for the same. It is of no use itself afterwards: Firecracker breaks the connections of a machine that it has saved.
    private async Task<bool> MakeAsync(MachineSnapshots snapshots, VmPlan plan, VmmFacts facts, CancellationToken cancellationToken)
    {
        if (_keepsNone) return false;
        using var alone = await snapshots.LockAsync(cancellationToken);
        if (_keepsNone || snapshots.Find(plan, facts, Traits) is not null) return false;
        var machine = await StartAsync(plan, null, cancellationToken);
        try
        {
            // One that is not well says nothing of the next one.
            if (!await snapshots.TrySettleAsync(machine, cancellationToken)) return false;
            var isKept = await snapshots.KeepAsync(machine.SaveAsync, plan, facts, Traits, cancellationToken);
            _keepsNone = !isKept;
            return isKept;
        }
        finally
        {
            await EndAsync(machine, plan);
        }
    }

    private Task<FirecrackerMachine?> TryRestoreAsync(MachineSnapshots snapshots, VmPlan plan, string state, CancellationToken cancellationToken) => snapshots.TryRestoreAsync(
        state,
        File.GetLastWriteTimeUtc(Path.Combine(state, FirecrackerMachine.StateName)),
        token => StartAsync(plan, state, token),
        // That a state is loaded does not tell that its guest is alive.
        static async (machine, token) => await (await machine.ConnectAgentAsync(token)).DisposeAsync(),
        machine => EndAsync(machine, plan),
        cancellationToken);

    private async Task<string> EndAsync(FirecrackerMachine? machine, VmPlan plan)
    {
        var errors = machine is null ? "" : await machine.EndAsync();
        Clear(plan.Directory);
        return errors;
    }

    // What is left of a machine that has ended would be in the way of the one that takes its place.
    private void Clear(string directory)
    {
        foreach (var home in new[] { OpenHome.DirectoryName, Path.GetFileName(probe.Program) }.Select(name => Path.Combine(directory, name)).Where(Directory.Exists))
            Directory.Delete(home, recursive: true);
        foreach (var name in new[] { VmmProcess.ConsoleName, VmmProcess.ErrorsName }) File.Delete(Path.Combine(directory, name));
    }

    // The files of a state, opened after those of the plan: it names them by the paths that they had then.
    private static async Task<SnapshotLoadBody> OpenAsync(string state, IMachineHome home, CancellationToken cancellationToken) => new(
        await home.OpenAsync(Path.Combine(state, FirecrackerMachine.StateName), cancellationToken),
        new MemBackendBody("File", await home.OpenAsync(Path.Combine(state, FirecrackerMachine.MemoryName), cancellationToken)),
        ResumeVm: true);
}
