using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Guest.Channel;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Execution;

/// <summary>A guest that is booted for nothing but to see that guests boot, and how fast.</summary>
internal sealed class CanaryGuest(MicroVmParts parts)
{
    private const long MemoryBytes = 192L * 1024 * 1024;

    /// <summary>Boots it and tells how long it took until its agent answered.</summary>
    /// <exception cref="IOException">It did not boot; the message says why.</exception>
    public async Task<TimeSpan> BootAsync(BootFiles files, CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("ergon-canary-").FullName;
        try
        {
            var begun = parts.Time.GetTimestamp();
            await using var machine = await parts.Vmm.LaunchAsync(
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
                },
                cancellationToken);
            try
            {
                await GreetAsync(machine, cancellationToken);
                return parts.Time.GetElapsedTime(begun);
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
        using var deadline = new CancellationTokenSource(parts.Options.BootTimeout, parts.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var console = new ConsoleTail(machine.Console);
        try
        {
            await using var channel = await GuestChannel.ConnectAsync(await machine.ConnectAgentAsync(either.Token), 0, 0, parts.Time, either.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"It did not answer within {parts.Options.BootTimeout.TotalSeconds:0} s. {console.Explain()}", e);
        }
        catch (IOException e)
        {
            throw new IOException($"{e.Message} {console.Explain()}", e);
        }
    }
}
