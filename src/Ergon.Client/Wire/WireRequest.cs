using System.Collections.ObjectModel;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Ergon.Json;
using Google.Protobuf;
using Google.Protobuf.Collections;
using P = Ergon.Protocol.V1;

namespace Ergon.Client.Wire;

/// <summary>Requests of executions, to the wire and from it.</summary>
internal static class WireRequest
{
    public static P.ExecutionRequest ToWire(this ExecutionRequest request)
    {
        var wire = new P.ExecutionRequest
        {
            JobId = request.JobId.Value,
            ExecutionId = request.ExecutionId.Value,
            EngineSpec = ToWire(request.EngineSpec),
            Resources = ToWire(request.Resources),
            Timeouts = ToWire(request.Timeouts),
            Network = ToWire(request.Network),
            PersistLogs = request.PersistLogs?.ToWire(),
            LogLimits = new P.LogLimits { MaxBytesPerStream = request.LogLimits.MaxBytesPerStream, ResultBytes = request.LogLimits.ResultBytes },
        };
        wire.Priority = request.Priority;
        if (request.RequestKey is { } key) wire.RequestKey = key;
        if (request.ResultsDir is { } results) wire.ResultsDir = results;
        wire.Inputs.AddRange(request.Inputs.Select(ToWire));
        wire.Outputs.AddRange(request.Outputs.Select(ToWire));
        wire.Environment.AddAll(request.Environment);
        wire.Labels.AddAll(request.Labels);
        foreach (var script in request.ProvisionScripts)
            wire.ProvisionScripts.Add(new P.ProvisionScript { Name = script.Name, Content = ByteString.CopyFrom(script.Content.Span) });
        return wire;
    }

    /// <summary>Reads a request; what cannot be said in the contract's own types is a problem.</summary>
    public static ExecutionRequest FromWire(this P.ExecutionRequest wire, RequestProblems problems) => new()
    {
        JobId = ReadJobId(wire.JobId, problems),
        ExecutionId = ReadExecutionId(wire.ExecutionId, problems),
        EngineSpec = FromWire(wire.EngineSpec ?? new P.EngineSpec(), problems),
        Resources = FromWire(wire.Resources ?? new P.Resources()),
        Inputs = Each(wire.Inputs, FromWire),
        Outputs = Each(wire.Outputs, FromWire),
        ResultsDir = wire.HasResultsDir ? wire.ResultsDir : null,
        Environment = Each(wire.Environment),
        Timeouts = FromWire(wire.Timeouts ?? new P.Timeouts()),
        Network = FromWire(wire.Network ?? new P.Network()),
        ProvisionScripts = Each(wire.ProvisionScripts, s => new ProvisionScript { Name = s.Name, Content = s.Content.Memory }),
        PersistLogs = wire.PersistLogs?.FromWire(),
        LogLimits = FromWire(wire.LogLimits ?? new P.LogLimits()),
        Labels = Each(wire.Labels),
        Priority = wire.Priority,
        RequestKey = wire.HasRequestKey ? wire.RequestKey : null,
    };

    public static P.PortMapping ToWire(this PortMapping port)
    {
        var wire = new P.PortMapping { HostPort = port.HostPort, ExecutorPort = port.ExecutorPort, Protocol = (P.PortProtocol)(port.Protocol + 1) };
        if (port.HostIp is { } ip) wire.HostIp = ip;
        return wire;
    }

    public static PortMapping FromWire(this P.PortMapping wire) => new()
    {
        HostIp = wire.HasHostIp ? wire.HostIp : null,
        HostPort = wire.HostPort,
        ExecutorPort = wire.ExecutorPort,
        Protocol = wire.Protocol == P.PortProtocol.Unspecified ? PortProtocol.Tcp : (PortProtocol)(wire.Protocol - 1),
    };

    public static void AddAll(this MapField<string, string> map, IReadOnlyDictionary<string, string> entries)
    {
        foreach (var (name, value) in entries) map[name] = value;
    }

    // A daemon keeps very many requests, most of them with nothing here: they share that.
    private static IReadOnlyList<TValue> Each<TWire, TValue>(RepeatedField<TWire> wire, Func<TWire, TValue> fromWire) =>
        wire.Count == 0 ? [] : wire.Select(fromWire).ToArray();

    private static IReadOnlyDictionary<string, string> Each(MapField<string, string> wire) =>
        wire.Count == 0 ? ReadOnlyDictionary<string, string>.Empty : wire.ToDictionary();

    // An id that is missing is left to the executor, which says what an id is.
    private static JobId ReadJobId(string text, RequestProblems problems)
    {
        if (!JobId.TryParse(text, out var id) && text.Length > 0) problems.Invalid("job_id", $"is '{Quoted.Clip(text)}'; give {Identifier.Rule}.");
        return id;
    }

    private static ExecutionId ReadExecutionId(string text, RequestProblems problems)
    {
        if (!ExecutionId.TryParse(text, out var id) && text.Length > 0) problems.Invalid("execution_id", $"is '{Quoted.Clip(text)}'; give {Identifier.Rule}.");
        return id;
    }

    private static P.EngineSpec ToWire(SpecConfig spec)
    {
        var wire = new P.EngineSpec { Type = spec.Type };
        foreach (var (name, value) in spec.Params)
            wire.Params[name] = Encoding.UTF8.GetString(JsonMarshal.GetRawUtf8Value(value));
        return wire;
    }

    private static SpecConfig FromWire(P.EngineSpec wire, RequestProblems problems)
    {
        var parameters = new Dictionary<string, JsonElement>();
        foreach (var (name, json) in wire.Params)
        {
            try
            {
                using var document = JsonDocument.Parse(json);
                parameters[name] = document.RootElement.Clone();
            }
            catch (JsonException e)
            {
                problems.Invalid(SpecParameters.Field(name), $"is not JSON: {e.Message}");
            }
        }

        return new SpecConfig { Type = wire.Type, Params = parameters };
    }

    private static P.Resources ToWire(Resources resources)
    {
        var wire = new P.Resources { Pids = resources.Pids };
        if (resources.Cpu is { } cpu) wire.Cpu = cpu;
        if (resources.Memory is { } memory) wire.Memory = memory;
        if (resources.Disk is { } disk) wire.Disk = disk;
        foreach (var gpu in resources.Gpus)
        {
            var each = new P.Gpu { Vendor = (P.GpuVendor)(gpu.Vendor + 1) };
            if (gpu.Device is { } device) each.Device = device;
            wire.Gpus.Add(each);
        }

        return wire;
    }

    private static Resources FromWire(P.Resources wire) => new()
    {
        Cpu = wire.HasCpu ? wire.Cpu : null,
        Memory = wire.HasMemory ? wire.Memory : null,
        Disk = wire.HasDisk ? wire.Disk : null,
        Pids = wire.HasPids ? wire.Pids : new Resources().Pids,
        Gpus = Each(wire.Gpus, gpu => new Gpu
        {
            Vendor = gpu.Vendor == P.GpuVendor.Unspecified ? GpuVendor.Nvidia : (GpuVendor)(gpu.Vendor - 1),
            Device = gpu.HasDevice ? gpu.Device : null,
        }),
    };

    private static P.Volume ToWire(StorageVolume volume) =>
        new() { Type = volume.Type, Source = volume.Source, Target = volume.Target, ReadOnly = volume.ReadOnly };

    private static StorageVolume FromWire(P.Volume wire)
    {
        var volume = new StorageVolume { Source = wire.Source, Target = wire.Target, ReadOnly = wire.ReadOnly };
        return wire.Type.Length == 0 ? volume : volume with { Type = wire.Type };
    }

    private static P.Timeouts ToWire(Timeouts timeouts) =>
        new() { Prepare = timeouts.Prepare.ToWire(), Run = timeouts.Run?.ToWire(), StopGrace = timeouts.StopGrace.ToWire() };

    private static Timeouts FromWire(P.Timeouts wire)
    {
        var defaults = new Timeouts();
        return new Timeouts
        {
            Prepare = wire.Prepare?.FromWire() ?? defaults.Prepare,
            Run = wire.Run?.FromWire(),
            StopGrace = wire.StopGrace?.FromWire() ?? defaults.StopGrace,
        };
    }

    private static P.Network ToWire(NetworkSpec network)
    {
        var wire = new P.Network { Mode = network.Mode is { } mode ? (P.NetworkMode)(mode + 1) : P.NetworkMode.Unspecified };
        if (network.GatewayIp is { } gateway) wire.GatewayIp = gateway;
        wire.Ports.AddRange(network.Ports.Select(ToWire));
        wire.Dns.AddRange(network.Dns);
        return wire;
    }

    private static NetworkSpec FromWire(P.Network wire) => new()
    {
        Mode = wire.Mode == P.NetworkMode.Unspecified ? null : (NetworkMode)(wire.Mode - 1),
        GatewayIp = wire.HasGatewayIp ? wire.GatewayIp : null,
        Ports = Each(wire.Ports, FromWire),
        Dns = Each(wire.Dns, d => d),
    };

    private static LogLimits FromWire(P.LogLimits wire)
    {
        var defaults = new LogLimits();
        return new LogLimits
        {
            MaxBytesPerStream = wire.HasMaxBytesPerStream ? wire.MaxBytesPerStream : defaults.MaxBytesPerStream,
            ResultBytes = wire.HasResultBytes ? wire.ResultBytes : defaults.ResultBytes,
        };
    }
}
