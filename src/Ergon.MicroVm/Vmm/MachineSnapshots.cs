using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Ergon.Linux;
using Ergon.MicroVm.Execution;
using Ergon.MicroVm.Guest.Channel;
using Ergon.MicroVm.Guest.Protocol;
using Microsoft.Extensions.Logging;

namespace Ergon.MicroVm.Vmm;

/// <summary>
/// The states of machines that have booted and have not yet been told of a job. Each machine that begins with one is told the time and given
/// chance of its own, and its disks are bound only then, so that no two are alike.
/// </summary>
/// <param name="directory">Where they are: a directory for each, with what the VMM wrote.</param>
/// <param name="most">How many are kept; those that were used least recently are removed.</param>
/// <param name="bootTimeout">How long a guest may take to boot.</param>
/// <param name="logger">Told when one cannot be kept, or does not work.</param>
/// <param name="time">The clock.</param>
internal sealed class MachineSnapshots(string directory, int most, TimeSpan bootTimeout, ILogger logger, TimeProvider time)
{
    // The layout of the key, of a state's directory, and of what a settled guest is.
    private const string Format = "5";

    private const string LockName = "lock";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // It does not change while this process runs, and every launch asks for it.
    private static readonly string ProcessorName =
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) ?? "";

    // A machine is saved within a tenth of a second, but its job waits for it.
    private static readonly TimeSpan SaveDeadline = TimeSpan.FromSeconds(20);

    // A state is loaded, and its guest goes on, within a tenth of a second; one that has not by then, or does not show that it is well, will not.
    private static readonly TimeSpan RestoreDeadline = TimeSpan.FromSeconds(20);

    private readonly ConcurrentDictionary<(string State, DateTime Written), byte> _well = new();

    /// <summary>Whether a machine may begin with a copy: its network address would be the copy's.</summary>
    public static bool AreFor(VmPlan plan) => plan is { HasAgent: true, Tap: null, IsCanary: false };

    /// <summary>Finds the directory of the state that fits a plan; <see langword="null"/>: there is none yet.</summary>
    /// <param name="plan">The machine.</param>
    /// <param name="facts">The VMM.</param>
    /// <param name="traits">What else the VMM compares when it loads a state.</param>
    public string? Find(VmPlan plan, VmmFacts facts, string traits)
    {
        var path = PathOf(plan, facts, traits);
        try
        {
            Directory.SetLastWriteTimeUtc(path, time.GetUtcNow().UtcDateTime);
            return path;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Keeps everybody else who asks for it from making a state until the result is disposed of.</summary>
    public async Task<IDisposable> LockAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(directory, OwnerOnly);
        return await FileLock.TakeAsync(Path.Combine(directory, LockName), cancellationToken);
    }

    /// <summary>Removes a state: it was seen not to work.</summary>
    public static void Discard(string state)
    {
        try
        {
            Directory.Delete(state, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Another process saw it too.
        }
    }

    /// <summary>
    /// Waits until a machine that has just been started has booted and has done all that does not depend on its job; <see langword="false"/>: it is not
    /// well, and another one has to be started.
    /// </summary>
    public async Task<bool> TrySettleAsync(IVirtualMachine machine, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(bootTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            await SettleAsync(machine, either.Token);
            return true;
        }
        catch (Exception e) when (IsOfState(e, cancellationToken))
        {
            logger.NotSettled(e);
            return false;
        }
    }

    /// <summary>Keeps the state of a machine that has settled; <see langword="false"/>: it cannot be kept, which is no reason to fail.</summary>
    /// <param name="saveAsync">Writes its state into a directory, and lets it go on whatever becomes of that.</param>
    /// <param name="plan">What it was made from.</param>
    /// <param name="facts">The VMM.</param>
    /// <param name="traits">What else the VMM compares when it loads a state.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<bool> KeepAsync(Func<string, CancellationToken, Task> saveAsync, VmPlan plan, VmmFacts facts, string traits, CancellationToken cancellationToken)
    {
        var path = PathOf(plan, facts, traits);
        var temporary = $"{path}.{Guid.NewGuid():n}";
        using var deadline = new CancellationTokenSource(SaveDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            Directory.CreateDirectory(temporary, OwnerOnly);
            await saveAsync(temporary, either.Token);
            Publish(temporary, path);
            RemoveOldest();
            return true;
        }
        catch (Exception e) when (IsOfState(e, cancellationToken))
        {
            logger.SnapshotFailed(e);
            return false;
        }
        finally
        {
            Discard(temporary);
        }
    }

    /// <summary>Begins a machine as a copy and has it show that it is well; <see langword="null"/>: the state does not work here, and a machine can still boot.</summary>
    /// <param name="state">The directory of the state.</param>
    /// <param name="written">When the state was written.</param>
    /// <param name="launchAsync">Starts a machine that loads the state.</param>
    /// <param name="waitAsync">Waits until it has.</param>
    /// <param name="endAsync">Ends it, clears its place for one that boots, and returns what its process wrote to its error output; it may not have been started.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<TMachine?> TryRestoreAsync<TMachine>(
        string state,
        DateTime written,
        Func<CancellationToken, Task<TMachine>> launchAsync,
        Func<TMachine, CancellationToken, Task> waitAsync,
        Func<TMachine?, Task<string>> endAsync,
        CancellationToken cancellationToken)
        where TMachine : class, IVirtualMachine
    {
        using var deadline = new CancellationTokenSource(RestoreDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        TMachine? machine = null;
        try
        {
            machine = await launchAsync(either.Token);
            await waitAsync(machine, either.Token);
            await CheckAsync(machine, state, written, either.Token);
            return machine;
        }
        catch (Exception e)
        {
            var errors = await endAsync(machine);
            if (!IsOfState(e, cancellationToken)) throw;
            logger.RestoreFailed(errors, e);
            return null;
        }
    }

    // All copies are alike: the first that this process sees speaks for the others, until another state is in that place.
    private async Task CheckAsync(IVirtualMachine copy, string state, DateTime written, CancellationToken cancellationToken)
    {
        if (_well.ContainsKey((state, written))) return;
        await SettleAsync(copy, cancellationToken);
        _well.TryAdd((state, written), 0);
    }

    // Whether a failure is that of a state, which is no reason for the machine's to fail.
    private static bool IsOfState(Exception e, CancellationToken cancellationToken) =>
        e is IOException or TimeoutException or UnauthorizedAccessException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    // Has a guest do all that does not depend on its job, and see whether a timer of its kernel fires. Its connection ends then, so that no copy believes to
    // have a host.
    private async Task SettleAsync(IVirtualMachine machine, CancellationToken cancellationToken)
    {
        await using var channel = await GuestChannel.ConnectAsync(await machine.ConnectAgentAsync(cancellationToken), 0, 0, time, cancellationToken);
        var reply = await channel.RequestAsync(FrameType.Settle, default, bootTimeout, cancellationToken);
        if (reply.Code != ReplyCode.Done) throw new IOException(reply.Message);
    }

    private static void Publish(string temporary, string path)
    {
        try
        {
            Directory.Move(temporary, path);
        }
        catch (IOException) when (Directory.Exists(path))
        {
            // Another machine of the same kind was quicker.
        }
    }

    private void RemoveOldest()
    {
        foreach (var state in new DirectoryInfo(directory).GetDirectories().OrderByDescending(d => d.LastWriteTimeUtc).Skip(most)) Discard(state.FullName);
    }

    // Everything that the VMM compares when it loads a state, and everything that the guest has taken in.
    private string PathOf(VmPlan plan, VmmFacts facts, string traits)
    {
        var kernel = new FileInfo(plan.KernelPath);
        var key = string.Join('\n',
            Format, facts.Version, facts.Acceleration, ProcessorName, traits,
            plan.KernelPath, $"{kernel.Length}", $"{kernel.LastWriteTimeUtc.Ticks}", plan.InitrdPath, plan.KernelArguments,
            plan.MachineType, $"{plan.Cpus}", $"{plan.MemoryBytes}", string.Concat(plan.Disks.Select(d => d.ReadOnly ? 'r' : 'w')));
        return Path.Combine(directory, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..32]);
    }
}
