using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Ergon.MicroVm.Execution;
using Ergon.MicroVm.Guest.Channel;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Qemu;

/// <summary>
/// The states of machines that have booted and have not yet been told of a job. Each machine that begins with one is told the time and given
/// chance of its own, and its disks are bound only then, so that no two are alike.
/// </summary>
internal sealed class QemuSnapshots(QemuOptions options, string cache, ILogger logger, TimeProvider time)
{
    // The layout of the key and of what a settled guest is.
    private const string Format = "1";

    // It does not change while this process runs, and every launch asks for it.
    private static readonly string ProcessorName =
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) ?? "";

    private static readonly TimeSpan SettleDeadline = TimeSpan.FromSeconds(60);

    private string DirectoryPath => Path.Combine(cache, "snapshots");

    /// <summary>Whether a machine may begin with a copy: its network address would be the copy's.</summary>
    public bool IsFor(VmPlan plan) => options.Snapshots && plan is { HasAgent: true, Tap: null, IsCanary: false };

    /// <summary>Opens the state that fits a plan; <see langword="null"/>: there is none yet.</summary>
    public SafeFileHandle? TryOpen(VmPlan plan, VmmFacts facts, long tscKilohertz)
    {
        var path = PathOf(plan, facts, tscKilohertz);
        try
        {
            File.SetLastWriteTimeUtc(path, time.GetUtcNow().UtcDateTime);
            return File.OpenHandle(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Removes the state that fits a plan: it was seen not to work.</summary>
    public void Discard(VmPlan plan, VmmFacts facts, long tscKilohertz) => File.Delete(PathOf(plan, facts, tscKilohertz));

    /// <summary>Waits until a machine has booted and keeps its state. That it cannot be kept is no reason to fail.</summary>
    public async Task KeepAsync(QemuMachine machine, VmPlan plan, VmmFacts facts, long tscKilohertz, CancellationToken cancellationToken)
    {
        var path = PathOf(plan, facts, tscKilohertz);
        var temporary = $"{path}.{Guid.NewGuid():n}";
        using var deadline = new CancellationTokenSource(SettleDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            await SettleAsync(machine, either.Token);
            Directory.CreateDirectory(DirectoryPath, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            using (var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write)) await machine.SaveAsync(file, either.Token);
            File.Move(temporary, path, overwrite: true);
            RemoveOldest();
        }
        catch (Exception e) when (e is IOException or TimeoutException or UnauthorizedAccessException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            logger.SnapshotFailed(e);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    // The connection ends before the state is kept, so that no copy believes to have a host.
    private async Task SettleAsync(QemuMachine machine, CancellationToken cancellationToken)
    {
        await using var channel = await GuestChannel.ConnectAsync(await machine.ConnectAgentAsync(cancellationToken), 0, 0, time, cancellationToken);
        var reply = await channel.RequestAsync(FrameType.Settle, default, SettleDeadline, cancellationToken);
        if (reply.Code != ReplyCode.Done) throw new IOException(reply.Message);
    }

    private void RemoveOldest()
    {
        foreach (var file in new DirectoryInfo(DirectoryPath).GetFiles().OrderByDescending(f => f.LastWriteTimeUtc).Skip(options.MaxSnapshots)) file.Delete();
    }

    // Everything that QEMU compares when it loads a state, and everything that the guest has taken in.
    private string PathOf(VmPlan plan, VmmFacts facts, long tscKilohertz)
    {
        var kernel = new FileInfo(plan.KernelPath);
        var key = string.Join('\n',
            Format, facts.Version, facts.Acceleration, ProcessorName, Rounded(tscKilohertz),
            plan.KernelPath, $"{kernel.Length}", $"{kernel.LastWriteTimeUtc.Ticks}", plan.InitrdPath, plan.KernelArguments,
            plan.MachineType, $"{plan.Cpus}", $"{plan.MemoryBytes}", string.Concat(plan.Disks.Select(d => d.ReadOnly ? 'r' : 'w')));
        return Path.Combine(DirectoryPath, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..32]);
    }

    // Two measurements of one rate differ by less.
    private static string Rounded(long tscKilohertz) => (tscKilohertz / 1000).ToString(CultureInfo.InvariantCulture);
}
