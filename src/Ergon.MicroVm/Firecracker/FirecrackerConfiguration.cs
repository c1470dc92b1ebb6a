using System.Text.Json;
using System.Text.Json.Nodes;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Turns a plan into calls of Firecracker's API.</summary>
internal sealed class FirecrackerConfiguration
{
    // 0 to 2 mean the hypervisor, the machine itself and the host; each machine has a vsock of its own, so one number serves all.
    private const long GuestContextId = 3;

    private const string InterfaceId = "eth0";
    private const long MiB = 1024 * 1024;
    private const long OneSecond = 1000;
    private const int MostId = 64;

    private readonly VmPlan _plan;
    private readonly FirecrackerOptions _options;
    private readonly BootSourceBody _boot;
    private readonly string _vsockPath;
    private readonly List<DriveBody> _drives = [];

    private FirecrackerConfiguration(VmPlan plan, FirecrackerOptions options, BootSourceBody boot, string vsockPath) =>
        (_plan, _options, _boot, _vsockPath) = (plan, options, boot, vsockPath);

    /// <summary>Opens what the machine needs.</summary>
    public static async Task<FirecrackerConfiguration> MakeAsync(VmPlan plan, FirecrackerOptions options, IMachineHome home, CancellationToken cancellationToken)
    {
        // Its only way to end a machine by itself is a reset by the keyboard controller. The request's or our own arguments come last and win.
        var arguments = $"reboot=k panic=1 pci=off i8042.noaux i8042.nomux i8042.dumbkbd {plan.KernelArguments}";
        var kernel = await home.OpenAsync(plan.KernelPath, cancellationToken);
        var initrd = plan.InitrdPath is { } path ? await home.OpenAsync(path, cancellationToken) : null;
        var configuration = new FirecrackerConfiguration(plan, options, new BootSourceBody(kernel, initrd, arguments), home.Inside(FirecrackerMachine.VsockName));
        foreach (var disk in plan.Disks)
        {
            var file = disk.ReadOnly ? await home.OpenAsync(disk.Path, cancellationToken) : home.OpenOwn(disk.Path);
            configuration._drives.Add(new DriveBody(disk.Serial, file, IsRootDevice: false, disk.ReadOnly, "Unsafe", Limiter(options.DiskBytesPerSecond)));
        }

        return configuration;
    }

    /// <summary>The name of a machine: Firecracker takes letters, digits and dashes.</summary>
    public static string IdOf(VmPlan plan)
    {
        var id = new string([.. plan.Name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-')]);
        return id.Length <= MostId ? id : id[^MostId..];
    }

    /// <summary>Sends everything that must be there before the machine starts, and starts it.</summary>
    public async Task BootAsync(FirecrackerApi api, CancellationToken cancellationToken)
    {
        var json = FirecrackerJson.Default;
        var machine = new MachineConfigBody(_plan.Cpus, (_plan.MemoryBytes + MiB - 1) / MiB, Smt: false, _options.CpuTemplate);
        await api.PutAsync("/machine-config", machine, json.MachineConfigBody, cancellationToken);
        await api.PutAsync("/boot-source", _boot, json.BootSourceBody, cancellationToken);
        foreach (var drive in _drives) await api.PutAsync($"/drives/{drive.DriveId}", drive, json.DriveBody, cancellationToken);
        if (_plan.Tap is { } tap)
        {
            var limiter = Limiter(_options.NetworkBytesPerSecond);
            await api.PutAsync($"/network-interfaces/{InterfaceId}", new NetworkInterfaceBody(InterfaceId, tap.Name, tap.Mac, limiter, limiter), json.NetworkInterfaceBody, cancellationToken);
        }

        if (_plan.HasAgent) await api.PutAsync("/vsock", new VsockBody(GuestContextId, _vsockPath), json.VsockBody, cancellationToken);
        await api.PutAsync("/entropy", new EntropyBody(), json.EntropyBody, cancellationToken);
        if (_options.Balloon) await api.PutAsync("/balloon", new BalloonBody(0, DeflateOnOom: true, StatsPollingIntervalS: 0), json.BalloonBody, cancellationToken);
        if (_plan.Metadata is { } metadata) await SendMetadataAsync(api, metadata, cancellationToken);
        await api.PutAsync("/actions", new ActionBody("InstanceStart"), json.ActionBody, cancellationToken);
    }

    private async Task SendMetadataAsync(FirecrackerApi api, string metadata, CancellationToken cancellationToken)
    {
        if (_plan.Tap is null) throw new IOException("The metadata service needs a network interface: ask for a bridge network.");
        await api.PutAsync("/mmds/config", new MmdsConfigBody("V2", [InterfaceId]), FirecrackerJson.Default.MmdsConfigBody, cancellationToken);
        await api.PutAsync("/mmds", MetadataOf(metadata), FirecrackerJson.Default.JsonElement, cancellationToken);
    }

    private static JsonElement MetadataOf(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            // Any text may be a message.
        }

        using var wrapped = JsonDocument.Parse(new JsonObject { ["message"] = text }.ToJsonString());
        return wrapped.RootElement.Clone();
    }

    private static RateLimiterBody? Limiter(long? bytesPerSecond) =>
        bytesPerSecond is { } bytes ? new RateLimiterBody(new TokenBucketBody(bytes, OneSecond)) : null;
}
