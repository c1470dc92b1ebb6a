using System.Net.Sockets;
using Ergon.Linux;
using Ergon.Linux.Networking;
using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Runs machines in Firecracker.</summary>
internal sealed class FirecrackerVmm(FirecrackerOptions options, FirecrackerProbe probe, KernelEvents events) : IVmm
{
    private const string Directory = "vmm";

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(1);

    /// <summary>How long the process may take until its API listens.</summary>
    public TimeSpan ApiDeadline { get; init; } = TimeSpan.FromSeconds(20);

    public ValueTask<VmmFacts> ProbeAsync(CancellationToken cancellationToken) => probe.FactsAsync(cancellationToken);

    public BootModules ModulesFor(string? machineType) => BootModules.Firecracker;

    // It makes the serial numbers itself, of the numbers of the file.
    public bool TellsSerials => false;

    public async ValueTask<IVirtualMachine> LaunchAsync(VmPlan plan, CancellationToken cancellationToken)
    {
        await probe.FactsAsync(cancellationToken);
        var user = VmmUser.Of(options.User, withKvm: true);
        var directory = MakeDirectory(plan.Directory, user);
        var files = new FileHandover(directory, user);
        Socket? knocks = null;
        VmmProcess? process = null;
        var api = new FirecrackerApi(directory, FirecrackerMachine.ApiName);
        try
        {
            var configuration = await FirecrackerConfiguration.MakeAsync(plan, options, files, cancellationToken);
            if (plan.HasAgent) knocks = ListenForKnock(directory);
            using var appeared = new SocketWatcher(directory, FirecrackerMachine.ApiName);
            process = await VmmProcess.StartAsync(
                new VmmCommand
                {
                    Program = probe.Program,
                    Arguments = ["--id", FirecrackerConfiguration.IdOf(plan), "--api-sock", FirecrackerMachine.ApiName, "--log-path", "/proc/self/fd/2", "--level", "Error"],
                    User = user,
                    Devices = plan.Tap is null ? [VmmProbe.KvmDevice] : [VmmProbe.KvmDevice, TapDevice.Path],
                    WorkingDirectory = directory,
                    Descriptors = files.Handles,
                },
                plan, events);
            await WaitForApiAsync(appeared, process, directory, cancellationToken);
            await configuration.SendAsync(api, cancellationToken);
            await api.PutAsync("/actions", new ActionBody("InstanceStart"), FirecrackerJson.Default.ActionBody, cancellationToken);
            return new FirecrackerMachine(process, api, directory, knocks);
        }
        catch
        {
            if (process is not null)
            {
                process.Kill();
                await process.Ended;
                await process.DisposeAsync();
            }

            knocks?.Dispose();
            api.Dispose();
            throw;
        }
        finally
        {
            files.Dispose();
        }
    }

    public ValueTask<IVirtualMachine?> AttachAsync(string directory, CancellationToken cancellationToken)
    {
        if (VmmProcess.Attach(directory, events) is not { } process) return ValueTask.FromResult<IVirtualMachine?>(null);
        var sockets = Path.Combine(directory, Directory);
        return ValueTask.FromResult<IVirtualMachine?>(new FirecrackerMachine(process, new FirecrackerApi(sockets, FirecrackerMachine.ApiName), sockets, null));
    }

    // Firecracker makes its sockets itself, as the user that it is.
    private static string MakeDirectory(string parent, UserIdentity? user)
    {
        var directory = Path.Combine(parent, Directory);
        System.IO.Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        if (user is not null) Libc.Check(Libc.ChangeOwner(directory, user.Uid, user.Gid), $"give {directory} to user {user.Uid}");
        return directory;
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
