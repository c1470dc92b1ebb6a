using System.Net.Sockets;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>A machine in Firecracker.</summary>
/// <param name="process">Its process.</param>
/// <param name="api">Its API.</param>
/// <param name="directory">The directory of its sockets.</param>
/// <param name="home">Where the process lives; <see langword="null"/>: it was re-attached, and is given nothing any more.</param>
/// <param name="knocks">The socket on which the guest's agent tells that it listens; <see langword="null"/>: it was re-attached or is a copy, and listens.</param>
internal sealed class FirecrackerMachine(VmmProcess process, FirecrackerApi api, string directory, IMachineHome? home, Socket? knocks) : IVirtualMachine
{
    public const string ApiName = "api.sock";
    public const string VsockName = "vsock.sock";
    public const string StateName = "state";
    public const string MemoryName = "memory";

    // A 1.16 that is told over its API to go on, paused or not, keeps everything that the host sends from the guest, for ever.
    private const string DeafeningVersions = "1.16.";

    private const string Paused = "Paused";

    // All of the memory is written, and to the disk.
    private static readonly TimeSpan SaveDeadline = TimeSpan.FromSeconds(60);

    public int ProcessId => process.Id;

    public Task<VmmExit> Ended { get; } = EndAsync(process);

    public Stream Console => process.Console;

    public async ValueTask<Stream> ConnectAgentAsync(CancellationToken cancellationToken)
    {
        if (knocks is not null)
        {
            using var knock = await knocks.AcceptAsync(cancellationToken);
        }

        return await VsockConnector.TryConnectAsync(directory, VsockName, GuestProtocol.VsockPort, cancellationToken) ??
            throw new IOException("The agent in the guest does not listen.");
    }

    public async Task SwapDisksAsync(IReadOnlyList<VmDisk> disks, CancellationToken cancellationToken)
    {
        foreach (var disk in disks)
        {
            var body = new DriveUpdateBody(disk.Serial, await home!.PutAsync(disk, cancellationToken));
            await api.PatchAsync($"/drives/{disk.Serial}", body, FirecrackerJson.Default.DriveUpdateBody, cancellationToken);
        }
    }

    // A process that is stopped answers no call.
    public async ValueTask<bool> IsPausedAsync(CancellationToken cancellationToken) => process.IsStopped || await InfoAsync(cancellationToken) is { State: Paused };

    public async ValueTask PauseAsync(CancellationToken cancellationToken)
    {
        // What was told to stop by a process that died over it may not have been.
        if (process.IsStopped || await InfoAsync(cancellationToken) is { } info && info.VmmVersion.StartsWith(DeafeningVersions, StringComparison.Ordinal)) process.Stop();
        else await SetStateAsync(Paused, cancellationToken);
    }

    public async ValueTask ResumeAsync(CancellationToken cancellationToken)
    {
        process.GoOn();
        if (await InfoAsync(cancellationToken) is { State: Paused }) await SetStateAsync("Resumed", cancellationToken);
    }

    /// <summary>Stops the virtual CPUs and writes the machine's state into a directory. It is not to go on afterwards: its connections are broken.</summary>
    public async Task SaveAsync(string state, CancellationToken cancellationToken)
    {
        await SetStateAsync(Paused, cancellationToken);
        var body = new SnapshotCreateBody("Full", home!.Inside(StateName), home.Inside(MemoryName));
        using var patient = new FirecrackerApi(directory, ApiName, SaveDeadline);
        await patient.PutAsync("/snapshot/create", body, FirecrackerJson.Default.SnapshotCreateBody, cancellationToken);
        foreach (var name in new[] { StateName, MemoryName })
        {
            var file = Path.Combine(state, name);
            await Task.Run(() => File.Move(Path.Combine(directory, name), file), cancellationToken);
            // Ours, as the kernel is, and nobody's to change: other machines begin with it.
            if (Libc.EffectiveUserId() == 0) Libc.Check(Libc.ChangeOwner(file, 0, 0), $"take {file}");
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }
    }

    public async ValueTask RequestShutdownAsync(CancellationToken cancellationToken) =>
        await DoAsync(() => api.PutAsync("/actions", new ActionBody("SendCtrlAltDel"), FirecrackerJson.Default.ActionBody, cancellationToken));

    public void Kill() => process.Kill();

    private static async Task<VmmExit> EndAsync(VmmProcess process)
    {
        var exit = await process.Ended;
        return exit with { Meaning = exit is { ExitCode: null, Signal: null } ? null : FirecrackerExit.Describe(exit) };
    }

    // Nothing of a machine that has ended.
    private async ValueTask<InstanceInfoBody?> InfoAsync(CancellationToken cancellationToken)
    {
        InstanceInfoBody? info = null;
        await DoAsync(async () => info = await api.GetAsync("/", FirecrackerJson.Default.InstanceInfoBody, cancellationToken));
        return info;
    }

    private async ValueTask SetStateAsync(string state, CancellationToken cancellationToken) =>
        await DoAsync(() => api.PatchAsync("/vm", new VmStateBody(state), FirecrackerJson.Default.VmStateBody, cancellationToken));

    private async Task DoAsync(Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (IOException) when (Ended.IsCompleted)
        {
            // A machine that has ended needs to be told nothing.
        }
    }

    public async ValueTask DisposeAsync()
    {
        knocks?.Dispose();
        api.Dispose();
        await process.DisposeAsync();
    }
}
