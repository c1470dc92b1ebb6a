using System.Net.Sockets;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Runs machines in Firecracker.</summary>
/// <param name="options">The operator's settings.</param>
/// <param name="probe">Finds Firecracker.</param>
/// <param name="events">Tells of the end of processes.</param>
/// <param name="snapshots">The states that machines begin with; <see langword="null"/>: every guest boots.</param>
internal sealed partial class FirecrackerVmm(FirecrackerOptions options, FirecrackerProbe probe, KernelEvents events, MachineSnapshots? snapshots) : IVmm
{
    private const string SocketsRecord = "sockets";

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(1);

    private readonly JailUsers? _jailUsers = options.Jailer is { } jailer ? new JailUsers(jailer) : null;

    /// <summary>How long the process may take until its API listens.</summary>
    public TimeSpan ApiDeadline { get; init; } = TimeSpan.FromSeconds(20);

    public ValueTask<VmmFacts> ProbeAsync(CancellationToken cancellationToken) => probe.FactsAsync(cancellationToken);

    public BootModules ModulesFor(string? machineType) => BootModules.Firecracker;

    // It makes the serial numbers itself, of the numbers of the file.
    public bool TellsSerials => false;

    public bool ResetsDisks => false;

    public async ValueTask<IVirtualMachine> LaunchAsync(VmPlan plan, CancellationToken cancellationToken)
    {
        var facts = await probe.FactsAsync(cancellationToken);
        return snapshots is not null && MachineSnapshots.AreFor(plan)
            ? await CopyAsync(snapshots, plan, facts, cancellationToken)
            : await StartAsync(plan, null, cancellationToken);
    }

    // It begins with a state, the directory of which is given, or boots.
    private async Task<FirecrackerMachine> StartAsync(VmPlan plan, string? state, CancellationToken cancellationToken)
    {
        using var home = await HomeOfAsync(plan, cancellationToken);
        Socket? knocks = null;
        VmmProcess? process = null;
        var api = new FirecrackerApi(home.SocketDirectory, FirecrackerMachine.ApiName);
        try
        {
            var configuration = await FirecrackerConfiguration.MakeAsync(plan, options, home, cancellationToken);
            var load = state is null ? null : await OpenAsync(state, home, cancellationToken);
            // The agent of a copy has told that it listens before it was one.
            if (plan.HasAgent && load is null) knocks = ListenForKnock(home.SocketDirectory);
            using var appeared = new SocketWatcher(home.SocketDirectory, FirecrackerMachine.ApiName);
            await File.WriteAllTextAsync(Path.Combine(plan.Directory, SocketsRecord), home.SocketDirectory, cancellationToken);
            process = await VmmProcess.StartAsync(home.CommandFor(plan), plan, events);
            await WaitForApiAsync(appeared, process, home.SocketDirectory, cancellationToken);
            if (load is null) await configuration.BootAsync(api, cancellationToken);
            else await api.PutAsync("/snapshot/load", load, FirecrackerJson.Default.SnapshotLoadBody, cancellationToken);
            return MachineOf(process, api, home.SocketDirectory, home, knocks, plan.Directory);
        }
        catch
        {
            if (process is not null)
            {
                process.Kill();
                await process.Ended;
                await process.DisposeAsync();
            }

            _jailUsers?.GiveBack(plan.Directory);
            knocks?.Dispose();
            api.Dispose();
            throw;
        }
    }

    public async ValueTask<IVirtualMachine?> AttachAsync(string directory, CancellationToken cancellationToken)
    {
        if (VmmProcess.Attach(directory, events) is not { } process) return null;
        var sockets = await File.ReadAllTextAsync(Path.Combine(directory, SocketsRecord), cancellationToken);
        return MachineOf(process, new FirecrackerApi(sockets, FirecrackerMachine.ApiName), sockets, null, null, directory);
    }

    private FirecrackerMachine MachineOf(VmmProcess process, FirecrackerApi api, string sockets, IMachineHome? home, Socket? knocks, string directory)
    {
        // The user is free again when nothing runs as it any more.
        if (_jailUsers is { } users)
            _ = process.Ended.ContinueWith(_ => users.GiveBack(directory), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return new FirecrackerMachine(process, api, sockets, home, knocks);
    }

    private async Task<IMachineHome> HomeOfAsync(VmPlan plan, CancellationToken cancellationToken)
    {
        if (options.Jailer is null) return new OpenHome(probe.Program, plan.Directory, VmmUser.Of(options.User, withKvm: true));
        if (plan.Cgroup is null && !plan.IsCanary) throw new IOException("A jail needs cgroups, by which it is found again whatever happens, and there are none here.");
        var user = await _jailUsers!.TakeAsync(plan.Directory, cancellationToken);
        try
        {
            return new Jail(probe.Jailer!, probe.Program, plan, user);
        }
        catch
        {
            _jailUsers.GiveBack(plan.Directory);
            throw;
        }
    }

    // Where Firecracker takes a connection of the guest to that port of the host.
    private static Socket ListenForKnock(string directory)
    {
        var name = $"{FirecrackerMachine.VsockName}_{GuestProtocol.KnockPort}";
        var listener = UnixSocket.Listen(directory, name);
        File.SetUnixFileMode(Path.Combine(directory, name), (UnixFileMode)0b110_110_110);
        var socket = new Socket(new SafeSocketHandle(listener.DangerousGetHandle(), ownsHandle: true));
        listener.SetHandleAsInvalid();
        return socket;
    }

    private async Task WaitForApiAsync(SocketWatcher appeared, VmmProcess process, string directory, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(ApiDeadline);
        var waiting = ReachApiAsync(appeared, directory, deadline.Token);
        if (await Task.WhenAny(waiting, process.Ended) != waiting)
        {
            await deadline.CancelAsync();
            await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var exit = await process.Ended;
            throw new IOException($"Firecracker ended at once ({FirecrackerExit.Describe(exit)}). {exit.Errors}".Trim());
        }

        try
        {
            await waiting;
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"Firecracker's API did not appear within {ApiDeadline.TotalSeconds:0} s.", e);
        }
    }

    // A socket has its name some moments before it listens, and nothing tells when it does.
    private static async Task ReachApiAsync(SocketWatcher appeared, string directory, CancellationToken cancellationToken)
    {
        await appeared.WaitAsync(cancellationToken);
        for (var pause = FirstPause; ; pause += pause)
        {
            try
            {
                await using var connection = await UnixSocket.ConnectAsync(directory, FirecrackerMachine.ApiName, cancellationToken);
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                await Task.Delay(pause, TimeProvider.System, cancellationToken);
            }
        }
    }
}
