using System.Buffers.Binary;
using System.Text;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Job;

/// <summary>Finds and mounts the guest's virtio block devices.</summary>
internal static class GuestDisks
{
    private const string Devices = "/sys/bus/virtio/devices";
    private const string Driver = "/sys/bus/virtio/drivers/virtio_blk";
    private const string BlockDeviceId = "0x0002";

    /// <summary>Makes the disks appear as they are now.</summary>
    /// <param name="again">Whether also those that the kernel has bound already, whose size may have changed.</param>
    public static void Bind(bool again)
    {
        foreach (var device in BlockDevices())
        {
            var name = Path.GetFileName(device);
            var bound = Directory.Exists(device + "/driver");
            if (bound && !again) continue;
            if (bound) File.WriteAllText(Driver + "/unbind", name);
            File.WriteAllText(Driver + "/bind", name);
        }
    }

    /// <summary>Lets go of the disks, which may then be others.</summary>
    public static void Unbind()
    {
        foreach (var device in BlockDevices().Where(d => Directory.Exists(d + "/driver"))) File.WriteAllText(Driver + "/unbind", Path.GetFileName(device));
    }

    /// <summary>The device file of a disk.</summary>
    public static string Find(GuestDisk disk)
    {
        var names = BlockDevices().Select(d => d + "/block").Where(Directory.Exists).SelectMany(Directory.GetDirectories).Select(Path.GetFileName).ToList();
        if (disk.Serial.Length == 0)
            return disk.Index >= 0 && disk.Index < names.Count ? "/dev/" + names[disk.Index] : throw new IOException($"There is no disk {disk.Index}; there are {names.Count}.");
        var found = names.FirstOrDefault(name => CgroupText.Read($"/sys/block/{name}/serial")?.Trim() == disk.Serial);
        return found is null ? throw new IOException($"There is no disk '{disk.Serial}' among {string.Join(' ', names)}.") : "/dev/" + found;
    }

    /// <summary>Mounts the file system on a device, whatever it is.</summary>
    public static void Mount(string device, string target, MountFlags flags)
    {
        Directory.CreateDirectory(target);
        var type = TypeOf(device) ?? throw new IOException($"The image on {device} is neither squashfs, erofs nor ext4.");
        // A read-only ext4 image must not be written to, not even to replay a journal.
        var options = type == "ext4" && flags.HasFlag(MountFlags.ReadOnly) ? "noload" : null;
        Libc.Check(Libc.Mount(device, target, type, (nuint)flags, options), $"mount the {type} image on {device}");
    }

    private static string? TypeOf(string device)
    {
        using var file = Descriptors.Open(device, Libc.ReadOnly);
        Span<byte> head = stackalloc byte[2048];
        if (RandomAccess.Read(file, head, 0) < head.Length) return null;
        if (Encoding.ASCII.GetString(head[..4]) == "hsqs") return "squashfs";
        if (BinaryPrimitives.ReadUInt32LittleEndian(head[1024..]) == 0xe0f5e1e2) return "erofs";
        return BinaryPrimitives.ReadUInt16LittleEndian(head[1080..]) == 0xef53 ? "ext4" : null;
    }

    // In the order in which the VMM has made them.
    private static IEnumerable<string> BlockDevices() => Directory.Exists(Devices)
        ? Directory.GetDirectories(Devices).Where(d => CgroupText.Read(d + "/device")?.Trim() == BlockDeviceId)
            .OrderBy(d => int.TryParse(Path.GetFileName(d).AsSpan("virtio".Length), out var number) ? number : int.MaxValue)
        : [];
}
