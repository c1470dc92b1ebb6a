using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ergon.Firecracker.StandIn.Http;
using Ergon.Firecracker.StandIn.Machine;
using Ergon.Linux;
using Ergon.Linux.Networking;

namespace Ergon.Firecracker.StandIn.Api;

/// <summary>Puts things into the configuration, opening what they name.</summary>
internal sealed class Setup(Configuration configuration)
{
    private const int MostCpus = 32;
    private const int AddressInUse = 98;

    public HttpAnswer Keep(Action keep)
    {
        keep();
        return HttpAnswer.Done;
    }

    public HttpAnswer Machine(JsonObject body)
    {
        var (cpus, smt) = ((int)body["vcpu_count"]!, (bool?)body["smt"] ?? false);
        if (cpus is 0 or > MostCpus || (smt && cpus != 1 && cpus % 2 != 0))
            throw new FaultException("Machine config error: The number of vCPUs must be greater than 0, less than 32 and must be 1 or an even number if SMT is enabled.");
        if ((long)body["mem_size_mib"]! == 0 || ((string?)body["huge_pages"] == "2M" && (long)body["mem_size_mib"]! % 2 != 0))
            throw new FaultException("Machine config error: The memory size (MiB) is either 0, or not a multiple of the configured page size.");
        body["smt"] = smt;
        body["track_dirty_pages"] ??= false;
        body["huge_pages"] ??= "None";
        configuration.Machine = body;
        return HttpAnswer.Done;
    }

    public HttpAnswer Boot(JsonObject body)
    {
        configuration.Kernel = Opening.Open((string)body["kernel_image_path"]!, false, why => $"Boot source error: The kernel file cannot be opened: {why}");
        configuration.Initrd = (string?)body["initrd_path"] is { } initrd
            ? Opening.Open(initrd, false, why => $"Boot source error: The initrd file cannot be opened due to invalid path or invalid permissions. {why}")
            : null;
        configuration.Boot = body;
        return HttpAnswer.Done;
    }

    public HttpAnswer Drive(JsonObject body)
    {
        if ((string?)body["path_on_host"] is not { } path) throw new FaultException("Drive config error: Invalid configuration: this stand-in has no vhost-user drives; give a path_on_host.");
        string Words(string why) => $"Drive config error: Unable to create the virtio block device: Virtio backend error: Error manipulating the backing file: {why} {path}";
        var former = configuration.Drives.FindIndex(d => (string?)d.Body["drive_id"] == (string?)body["drive_id"]);
        var isRoot = (bool)body["is_root_device"]!;
        if (isRoot && configuration.Drives.FindIndex(d => (bool)d.Body["is_root_device"]!) is >= 0 and var root && root != former)
            throw new FaultException("Drive config error: A root block device already exists!");
        var reading = Opening.Open(path, false, Words);
        var writing = (bool?)body["is_read_only"] == true ? null : Opening.Open(path, true, Words);
        if (former >= 0) configuration.Drives.RemoveAt(former);
        configuration.Drives.Insert(isRoot ? 0 : former >= 0 ? former : configuration.Drives.Count, new ConfiguredDrive(body, reading, writing));
        return HttpAnswer.Done;
    }

    public HttpAnswer Interface(JsonObject body)
    {
        try
        {
            // Like the real one, it makes a tap that does not exist, if it may.
            var tap = TapDevice.Attach((string)body["host_dev_name"]!);
            configuration.Interfaces.RemoveAll(i => (string?)i.Body["iface_id"] == (string?)body["iface_id"]);
            configuration.Interfaces.Add(new ConfiguredInterface(body, tap));
            return HttpAnswer.Done;
        }
        catch (LinuxException e)
        {
            throw new FaultException($"Network config error: Could not create the network device: Open tap device failed: Couldn't open /dev/net/tun or attach to the interface: {Opening.Describe(e.Errno)}");
        }
    }

    public HttpAnswer Vsock(JsonObject body)
    {
        configuration.VsockListener?.Dispose();
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint((string)body["uds_path"]!));
            listener.Listen();
        }
        catch (SocketException e)
        {
            listener.Dispose();
            var why = e.SocketErrorCode == SocketError.AddressAlreadyInUse ? Opening.Describe(AddressInUse) : e.Message;
            throw new FaultException($"Vsock config error: Cannot create backend for vsock device: Error binding to the host-side Unix socket: {why}");
        }

        (configuration.Vsock, configuration.VsockListener) = (body, listener);
        return HttpAnswer.Done with { IsDeprecated = body["vsock_id"] is not null };
    }

    public HttpAnswer Metrics(JsonObject body)
    {
        if (configuration.Metrics is not null) throw new FaultException("Metrics error: Cannot initialize the metrics system: Reinitialization of metrics not allowed.");
        configuration.Metrics = body;
        return HttpAnswer.Done;
    }

    public HttpAnswer MmdsConfig(JsonObject body)
    {
        var names = body["network_interfaces"]!.AsArray().Select(n => n?.ToString()).ToArray();
        if (names.Length == 0) throw new FaultException("MMDS config error: The list of network interface IDs provided is empty.");
        if (names.Any(n => configuration.Interfaces.TrueForAll(i => (string?)i.Body["iface_id"] != n)))
            throw new FaultException("MMDS config error: The list of network interface IDs provided contains at least one ID that does not correspond to any existing network interface.");
        configuration.MmdsConfig = body;
        return HttpAnswer.Done with { IsDeprecated = (string?)body["version"] is null or "V1" };
    }

    // Kept and told, but served to no guest.
    public HttpAnswer Mmds(byte[] body)
    {
        try
        {
            configuration.Mmds = JsonNode.Parse(body);
            return HttpAnswer.Done;
        }
        catch (JsonException)
        {
            throw new FaultException("An error occurred when deserializing the json body of a request: expected value at line 1 column 1.");
        }
    }
}
