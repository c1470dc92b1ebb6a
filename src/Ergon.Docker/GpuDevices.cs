using Docker.DotNet.Models;

namespace Ergon.Docker;

/// <summary>
/// Maps GPUs onto a container: NVIDIA's by a device request to its container runtime, AMD's and Intel's by their device nodes and the
/// groups that own them.
/// </summary>
internal static class GpuDevices
{
    public static void Add(HostConfig host, IReadOnlyList<Gpu> gpus)
    {
        var nvidia = gpus.Where(g => g.Vendor == GpuVendor.Nvidia).ToList();
        if (nvidia.Count > 0) host.DeviceRequests = [.. NvidiaRequests(nvidia)];

        var nodes = gpus.Where(g => g.Vendor != GpuVendor.Nvidia).SelectMany(NodesOf).Distinct().ToList();
        if (nodes.Count == 0) return;
        host.Devices = [.. nodes.Select(n => new DeviceMapping { PathOnHost = n, PathInContainer = n, CgroupPermissions = "rw" })];

        // By number: the image need not know the host's groups by name.
        host.GroupAdd = [.. DeviceGroups()];
    }

    private static IEnumerable<DeviceRequest> NvidiaRequests(List<Gpu> gpus)
    {
        IList<IList<string>> capabilities = [["gpu"]];
        var named = gpus.Where(g => g.Device is not null).Select(g => g.Device!).ToList();
        if (named.Count > 0) yield return new DeviceRequest { Driver = "nvidia", DeviceIDs = named, Capabilities = capabilities };
        var any = gpus.Count - named.Count;
        if (any > 0) yield return new DeviceRequest { Driver = "nvidia", Count = any, Capabilities = capabilities };
    }

    private static IEnumerable<string> NodesOf(Gpu gpu)
    {
        // ROCm computes through /dev/kfd and addresses cards by their render nodes.
        if (gpu.Vendor == GpuVendor.Amd) yield return "/dev/kfd";
        yield return gpu.Device ?? "/dev/dri";
    }

    private static IEnumerable<string> DeviceGroups()
    {
        const string GroupFile = "/etc/group";
        return File.Exists(GroupFile)
            ? File.ReadLines(GroupFile).Select(l => l.Split(':')).Where(f => f is ["video" or "render", _, _, ..]).Select(f => f[2])
            : [];
    }
}
