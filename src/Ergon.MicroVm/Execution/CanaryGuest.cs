using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Guest.Channel;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Execution;

/// <summary>A guest that is booted for nothing but to see that guests boot, and how fast.</summary>
/// <param name="deadline">How long it may take.</param>
/// <param name="time">The clock.</param>
internal sealed class CanaryGuest(TimeSpan deadline, TimeProvider time)
{
    private const long MemoryBytes = 192L * 1024 * 1024;

    /// <summary>Boots it and tells how long it took until its agent answered.</summary>
    /// <param name="launch">Starts its machine.</param>
    /// <param name="files">What it boots from.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">It did not boot; the message says why.</exception>
    public async Task<TimeSpan> BootAsync(Func<VmPlan, ValueTask<IVirtualMachine>> launch, BootFiles files, CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("ergon-canary-").FullName;
        try
        {
            var begun = time.GetTimestamp();
            await using var machine = await launch(
                new VmPlan
                {
                    Name = "ergon-canary",
                    Directory = directory,
                    Cpus = 1,
                    MemoryBytes = MemoryBytes,
                    KernelPath = files.KernelPath,
                    InitrdPath = files.InitramfsPath,
                    KernelArguments = files.KernelArguments,
                    HasAgent = true,
                    IsCanary = true,
                });
            try
            {
                await GreetAsync(machine, cancellationToken);
                return time.GetElapsedTime(begun);
            }
            finally
            {
                machine.Kill();
                await machine.Ended;
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private async Task GreetAsync(IVirtualMachine machine, CancellationToken cancellationToken)
    {
        using var over = new CancellationTokenSource(deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, over.Token);
        var console = new ConsoleTail(machine.Console);
        try
        {
            await using var channel = await GuestChannel.ConnectAsync(await machine.ConnectAgentAsync(either.Token), 0, 0, time, either.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"It did not answer within {deadline.TotalSeconds:0} s. {console.Explain()}", e);
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            throw new IOException($"{e.Message} {console.Explain()}", e);
        }
    }
}
