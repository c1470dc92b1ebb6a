using System.Text.Json;
using System.Text.Json.Nodes;
using Ergon.Firecracker.StandIn.Machine;

namespace Ergon.Firecracker.StandIn.Api;

/// <summary>Saves machines and loads them: the state is the configuration, and QEMU's own state is in the place of the memory.</summary>
internal static class Snapshots
{
    public static async Task SaveAsync(JsonObject body, RunningMachine machine, Configuration configuration)
    {
        var path = (string)body["snapshot_path"]!;
        try
        {
            await File.WriteAllTextAsync(Reachable(path), configuration.ToJson().ToJsonString());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FaultException($"Create snapshot error: Cannot perform open on the snapshot backing file: {e.Message}");
        }

        await machine.SaveAsync((string)body["mem_file_path"]!);
    }

    public static async Task<RunningMachine> LoadAsync(JsonObject body, Configuration configuration)
    {
        if (body["mem_file_path"] is null == body["mem_backend"] is null)
            throw new FaultException("Bad request: either `mem_backend` or `mem_file_path` must be specified, and not both.");
        Restore(Read((string)body["snapshot_path"]!), configuration);
        using var memory = Opening.Open(
            (string?)body["mem_file_path"] ?? (string)body["mem_backend"]!["backend_path"]!, writing: false,
            why => $"Load snapshot error: Failed to restore from snapshot: Failed to load guest memory: Error creating guest memory from file: {why}");
        try
        {
            return await RunningMachine.LoadAsync(configuration, memory, (bool?)body["resume_vm"] == true);
        }
        catch (IOException e)
        {
            throw new FaultException($"Load snapshot error: Failed to restore from snapshot: {e.Message}");
        }
    }

    private static JsonObject Read(string path)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(Reachable(path)))!.AsObject();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new FaultException($"Load snapshot error: Failed to restore from snapshot: Failed to get snapshot state from file: {e.Message}");
        }
    }

    // What it names is opened again under the same paths. QEMU wants the kernel too, which the real one has in the memory.
    private static void Restore(JsonObject state, Configuration configuration)
    {
        var setup = new Setup(configuration);
        setup.Machine(Part(state, "machine-config")!);
        setup.Boot(Part(state, "boot-source")!);
        foreach (var drive in state["drives"]!.AsArray()) setup.Drive(drive!.DeepClone().AsObject());
        foreach (var network in state["network-interfaces"]!.AsArray()) setup.Interface(network!.DeepClone().AsObject());
        if (Part(state, "vsock") is { } vsock) setup.Vsock(vsock);
        (configuration.Entropy, configuration.Balloon) = (Part(state, "entropy"), Part(state, "balloon"));
    }

    // .NET makes a relative path whole, with directories in it that this user may not pass.
    private static string Reachable(string path) => Path.IsPathRooted(path) ? path : $"/proc/self/cwd/{path}";

    private static JsonObject? Part(JsonObject state, string name) => state[name]?.DeepClone().AsObject();
}
