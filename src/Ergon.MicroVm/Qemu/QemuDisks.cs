using System.Text.Json;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Qemu;

/// <summary>Exchanges the disks of a machine that runs.</summary>
internal static class QemuDisks
{
    /// <summary>The name of the device that shows a disk to the guest.</summary>
    public static string DeviceOf(int index) => $"block{index}";

    /// <summary>Puts others in the place of the disks that a machine was started with.</summary>
    public static async Task SwapAsync(QmpConnection monitor, IReadOnlyList<VmDisk> disks, CancellationToken cancellationToken)
    {
        for (var i = 0; i < disks.Count; i++)
        {
            var set = await HandAsync(monitor, disks[i], cancellationToken);
            var (disk, node) = (disks[i], $"swapped{i}");
            await monitor.ExecuteAsync("blockdev-add", cancellationToken, json => Describe(json, disk, node, set));
            var device = DeviceOf(i);
            await monitor.ExecuteAsync("qom-set", cancellationToken, json =>
            {
                json.WriteString("path", $"/machine/peripheral/{device}");
                json.WriteString("property", "drive");
                json.WriteString("value", node);
            });
        }
    }

    // As when a machine is started with it: opened here, read-only and, if need be, also to be written, and taken by QEMU from a set of both.
    private static async Task<long> HandAsync(QmpConnection monitor, VmDisk disk, CancellationToken cancellationToken)
    {
        using var readable = File.OpenHandle(disk.Path);
        var set = (await monitor.ExecuteWithDescriptorAsync("add-fd", readable, cancellationToken)).GetProperty("fdset-id").GetInt64();
        if (disk.ReadOnly) return set;
        using var writable = File.OpenHandle(disk.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        await monitor.ExecuteWithDescriptorAsync("add-fd", writable, cancellationToken, json => json.WriteNumber("fdset-id", set));
        return set;
    }

    private static void Describe(Utf8JsonWriter json, VmDisk disk, string node, long set)
    {
        json.WriteString("driver", "raw");
        json.WriteString("node-name", node);
        json.WriteBoolean("read-only", disk.ReadOnly);
        if (!disk.ReadOnly) json.WriteString("discard", "unmap");
        WriteCache(json, disk);
        json.WriteStartObject("file");
        json.WriteString("driver", "file");
        json.WriteString("filename", $"/dev/fdset/{set}");
        json.WriteString("locking", "off");
        json.WriteString("aio", "threads");
        json.WriteBoolean("read-only", disk.ReadOnly);
        if (!disk.ReadOnly) json.WriteString("discard", "unmap");
        WriteCache(json, disk);
        json.WriteEndObject();
    }

    // Nothing on a scratch disk has to survive the host: it need not be flushed.
    private static void WriteCache(Utf8JsonWriter json, VmDisk disk)
    {
        if (disk.ReadOnly) return;
        json.WriteStartObject("cache");
        json.WriteBoolean("direct", false);
        json.WriteBoolean("no-flush", true);
        json.WriteEndObject();
    }
}
