using System.Text.Json.Nodes;
using Ergon.Firecracker.StandIn.Http;
using Ergon.Firecracker.StandIn.Machine;

namespace Ergon.Firecracker.StandIn.Api;

/// <summary>Changes the drives of a machine that runs. A guest that uses one already sees no change here, where it would be told by the real one.</summary>
internal static class Drives
{
    public static async Task<HttpAnswer> ChangeAsync(JsonObject update, RunningMachine machine, Configuration configuration)
    {
        if (update["rate_limiter"] is not null) throw Fault("this stand-in changes no limit of a drive that is in use.");
        if ((string?)update["path_on_host"] is not { } path) throw Fault("Block: Device config error.");
        var index = configuration.Drives.FindIndex(d => (string?)d.Body["drive_id"] == (string?)update["drive_id"]);
        if (index < 0) throw Fault("Failed perform action on device: Device not found");
        var body = configuration.Drives[index].Body;
        var readOnly = (bool?)body["is_read_only"] == true;
        Opening.Open(path, writing: !readOnly, why => Words($"Block: Virtio backend error: Error manipulating the backing file: {why} {path}")).Dispose();
        try
        {
            await machine.ChangeDriveAsync(index, path, readOnly);
        }
        catch (IOException e)
        {
            throw Fault(e.Message);
        }

        body["path_on_host"] = path;
        return HttpAnswer.Done;
    }

    private static FaultException Fault(string why) => new(Words(why));

    private static string Words(string why) => $"Drive config error: Unable to patch the block device: {why} Please verify the request arguments.";
}
