using System.Net.Sockets;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>A machine in Firecracker.</summary>
/// <param name="process">Its process.</param>
/// <param name="api">Its API.</param>
/// <param name="directory">The directory of its sockets.</param>
/// <param name="knocks">The socket on which the guest's agent tells that it listens; <see langword="null"/>: it was re-attached and listens.</param>
internal sealed class FirecrackerMachine(VmmProcess process, FirecrackerApi api, string directory, Socket? knocks) : IVirtualMachine
{
    public const string ApiName = "api.sock";
    public const string VsockName = "vsock.sock";

    // A 1.16 that is told over its API to go on, paused or not, keeps everything that the host sends from the guest, for ever.
    private const string DeafeningVersions = "1.16.";

    private const string Paused = "Paused";

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

    // A process that is stopped answers no call.
    public async ValueTask<bool> IsPausedAsync(CancellationToken cancellationToken) => process.IsStopped || await InfoAsync(cancellationToken) is { State: Paused };

    public async ValueTask PauseAsync(CancellationToken cancellationToken)
    {
        if (process.IsStopped) return;
        if (await InfoAsync(cancellationToken) is not { } info) return;
        if (info.VmmVersion.StartsWith(DeafeningVersions, StringComparison.Ordinal)) process.Stop();
        else await SetStateAsync(Paused, cancellationToken);
    }

    public async ValueTask ResumeAsync(CancellationToken cancellationToken)
    {
        process.GoOn();
        if (await InfoAsync(cancellationToken) is { State: Paused }) await SetStateAsync("Resumed", cancellationToken);
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
