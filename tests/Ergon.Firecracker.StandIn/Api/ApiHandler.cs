using System.Text.Json.Nodes;
using Ergon.Firecracker.StandIn.Http;
using Ergon.Firecracker.StandIn.Machine;

namespace Ergon.Firecracker.StandIn.Api;

/// <summary>Answers requests as the state of the machine allows.</summary>
internal sealed class ApiHandler(string id)
{
    private const int ElfHeaderBytes = 64;
    private const string TooEarly = "The requested operation is not supported before starting the microVM.";
    private const string TooLate = "The requested operation is not supported after starting the microVM.";

    // Only what can be put at any time; everything else is for before the start.
    private static readonly string[] AtAnyTime = ["actions", "mmds"];

    private readonly Configuration _configuration = new();
    private readonly List<string> _used = [];
    private RunningMachine? _machine;
    private bool _paused;

    public async Task<HttpAnswer> HandleAsync(HttpRequest request)
    {
        try
        {
            var path = request.Path.Split('/', StringSplitOptions.RemoveEmptyEntries);
            return request.Method switch
            {
                "GET" => Get(path, request),
                "PUT" => await PutAsync(path, Body(request)),
                "PATCH" => await PatchAsync(path, Body(request)),
                _ => throw Unknown(path, request.Method),
            };
        }
        catch (FaultException e)
        {
            return HttpAnswer.Fault(e.Message);
        }
    }

    private static byte[] Body(HttpRequest request) => request.Body.Length > 0 ? request.Body : throw new FaultException($"Empty {request.Method} request.");

    private HttpAnswer Get(string[] path, HttpRequest request)
    {
        if (request.Body.Length > 0) throw new FaultException("GET request cannot have a body.");
        return path switch
        {
            [] => HttpAnswer.Of(new JsonObject
            {
                ["id"] = id,
                ["state"] = _machine is null ? "Not started" : _paused ? "Paused" : "Running",
                ["vmm_version"] = StandInVersion.Number,
                ["app_name"] = "Firecracker",
            }),
            ["version"] => HttpAnswer.Of(new JsonObject { ["firecracker_version"] = StandInVersion.Number }),
            ["machine-config"] => HttpAnswer.Of(_configuration.Machine),
            ["vm", "config"] => HttpAnswer.Of(_configuration.ToJson()),
            ["mmds"] => HttpAnswer.Of(_configuration.Mmds ?? new JsonObject()),
            ["balloon"] => HttpAnswer.Of(_configuration.Balloon ?? throw new FaultException("Balloon error: Device not found.")),
            _ => throw Unknown(path, "GET"),
        };
    }

    private async Task<HttpAnswer> PutAsync(string[] path, byte[] body)
    {
        if (path is ["actions"]) return await ActAsync((string)Schemas.Action.Read(body)["action_type"]!);
        if (path is ["snapshot", var what]) return await SnapshotAsync(what, body) ?? throw Unknown(path, "PUT");
        var setup = Setup(path, body) ?? throw Unknown(path, "PUT");
        if (_machine is not null && !AtAnyTime.Contains(path[0])) throw new FaultException(TooLate);
        var answer = setup();
        if (!AtAnyTime.Contains(path[0])) _used.Add(path[0]);
        return answer;
    }

    // What a path sets up, with its body read but nothing done yet.
    private Func<HttpAnswer>? Setup(string[] path, byte[] body)
    {
        var setup = new Setup(_configuration);
        return path switch
        {
            ["machine-config"] => With(Schemas.MachineConfig, setup.Machine),
            ["boot-source"] => With(Schemas.BootSource, setup.Boot),
            ["drives", var name] => Named(name, "drive_id", Schemas.Drive, setup.Drive),
            ["network-interfaces", var name] => Named(name, "iface_id", Schemas.NetworkInterface, setup.Interface),
            ["vsock"] => With(Schemas.Vsock, setup.Vsock),
            ["entropy"] => With(Schemas.Entropy, o => setup.Keep(() => _configuration.Entropy = o)),
            ["balloon"] => With(Schemas.Balloon, o => setup.Keep(() => _configuration.Balloon = o)),
            ["logger"] => With(Schemas.Logger, o => setup.Keep(() => _configuration.Logger = o)),
            ["metrics"] => With(Schemas.Metrics, setup.Metrics),
            ["serial"] => With(Schemas.Serial, o => setup.Keep(() => _configuration.Serial = o)),
            ["cpu-config"] => With(Schemas.CpuConfig, o => setup.Keep(() => _configuration.CpuConfig = o)),
            ["mmds", "config"] => With(Schemas.MmdsConfig, setup.MmdsConfig),
            ["mmds"] => () => setup.Mmds(body),
            _ => null,
        };

        Func<HttpAnswer> With(Schema schema, Func<JsonObject, HttpAnswer> act)
        {
            var content = schema.Read(body);
            return () => act(content);
        }

        Func<HttpAnswer> Named(string name, string member, Schema schema, Func<JsonObject, HttpAnswer> act)
        {
            var content = schema.Read(body);
            if ((string?)content[member] != name) throw new FaultException("The id from the path does not match the id from the body!");
            return () => act(content);
        }
    }

    private async Task<HttpAnswer> PatchAsync(string[] path, byte[] body)
    {
        switch (path)
        {
            case ["vm"]:
                return await ChangeStateAsync((string)Schemas.VmState.Read(body)["state"]!);
            case ["machine-config"]:
                var change = Schemas.MachineConfigChange.Read(body);
                if (change.Count == 0) throw new FaultException("Empty PATCH request.");
                if (_machine is not null) throw new FaultException(TooLate);
                var machine = _configuration.Machine.DeepClone().AsObject();
                foreach (var (name, value) in change) machine[name] = value?.DeepClone();
                return new Setup(_configuration).Machine(machine);
            case ["drives", var drive]:
                var update = Schemas.DriveChange.Read(body);
                if ((string?)update["drive_id"] != drive) throw new FaultException("The id from the path does not match the id from the body!");
                return await Drives.ChangeAsync(update, _machine ?? throw new FaultException(TooEarly), _configuration);
            default:
                throw Unknown(path, "PATCH");
        }
    }

    private async Task<HttpAnswer> ActAsync(string action)
    {
        if (action == "InstanceStart")
        {
            if (_machine is not null) throw new FaultException(TooLate);
            _machine = await StartAsync();
            return HttpAnswer.Done;
        }

        if (_machine is null) throw new FaultException(TooEarly);
        if (action == "SendCtrlAltDel") await _machine.PressCtrlAltDelAsync();
        else if (_configuration.Metrics is null) throw new FaultException("Internal Vmm error: Logger error: metrics are not set up.");
        return HttpAnswer.Done;
    }

    private async Task<RunningMachine> StartAsync()
    {
        if (_configuration.Kernel is not { } kernel) throw new FaultException("Start microvm error: Cannot start microvm without kernel configuration.");
        var header = new byte[ElfHeaderBytes];
        var isWhole = await RandomAccess.ReadAsync(kernel, header, 0) == header.Length;
        if (!isWhole || !header.AsSpan().StartsWith("\u007fELF"u8))
        {
            throw new FaultException(
                "Start microvm error: Cannot load kernel due to invalid memory configuration or invalid kernel image: Kernel Loader: failed to load ELF kernel image: Kernel Loader: " +
                (isWhole ? "Invalid Elf magic number" : "Unable to read elf header"));
        }

        try
        {
            return await RunningMachine.StartAsync(_configuration);
        }
        catch (Exception e) when (e is IOException or System.ComponentModel.Win32Exception or System.Net.Sockets.SocketException)
        {
            throw new FaultException($"Start microvm error: The stand-in's QEMU could not be started: {e.Message}");
        }
    }

    private async Task<HttpAnswer> ChangeStateAsync(string state)
    {
        if (_machine is not { } machine) throw new FaultException(TooEarly);
        _paused = state == "Paused";
        await (_paused ? machine.PauseAsync() : machine.ResumeAsync());
        return HttpAnswer.Done;
    }

    private async Task<HttpAnswer?> SnapshotAsync(string what, byte[] body)
    {
        if (what == "create")
        {
            var create = Schemas.SnapshotCreate.Read(body);
            if (_machine is not { } machine) throw new FaultException(TooEarly);
            if (!_paused) throw new FaultException("Create snapshot error: Cannot save the microVM state: Operation not allowed: save/restore unavailable while running");
            await Snapshots.SaveAsync(create, machine, _configuration);
            return HttpAnswer.Done;
        }

        if (what != "load") return null;
        var load = Schemas.SnapshotLoad.Read(body);
        if (_machine is not null) throw new FaultException(TooLate);
        if (_used.Count > 0) throw new FaultException("Load snapshot error: Loading a microVM snapshot not allowed after configuring boot-specific resources.");
        _machine = await Snapshots.LoadAsync(load, _configuration);
        _paused = (bool?)load["resume_vm"] != true;
        return HttpAnswer.Done;
    }

    private static FaultException Unknown(string[] path, string method) =>
        new($"Invalid request method and/or path: {method} {(path.Length == 0 ? "" : path[0])}.");
}
