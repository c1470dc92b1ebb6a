using Ergon.Docker.Api;

namespace Ergon.Docker;

/// <summary>
/// Maps GPUs onto a container: NVIDIA's by a device request to its container runtime, AMD's and Intel's by their device nodes and the
/// groups that own them.
/// </summary>
internal static class GpuDevices
{
    public static HostConfig Add(HostConfig host, IReadOnlyList<Gpu> gpus)
    {
        if (gpus.Count == 0) return host;
        var nvidia = gpus.Where(g => g.Vendor == GpuVendor.Nvidia).ToList();
        if (nvidia.Count > 0) host = host with { DeviceRequests = [.. NvidiaRequests(nvidia)] };

        var nodes = gpus.Where(g => g.Vendor != GpuVendor.Nvidia).SelectMany(NodesOf).Distinct().ToList();
        if (nodes.Count == 0) return host;
        return host with
        {
            Devices = [.. nodes.Select(n => new DeviceMapping(n, n, "rw"))],

            // By number: the image need not know the host's groups by name.
            GroupAdd = [.. DeviceGroups()],
        };
    }

    private static IEnumerable<DeviceRequest> NvidiaRequests(List<Gpu> gpus)
    {
        IReadOnlyList<IReadOnlyList<string>> capabilities = [["gpu"]];
        var named = gpus.Where(g => g.Device is not null).Select(g => g.Device!).ToList();
        if (named.Count > 0) yield return new DeviceRequest("nvidia", capabilities) { DeviceIds = named };
        var any = gpus.Count - named.Count;
        if (any > 0) yield return new DeviceRequest("nvidia", capabilities) { Count = any };
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
