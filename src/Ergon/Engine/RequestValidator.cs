using Ergon.Drivers;
using System.Net;
using Ergon.Json;

namespace Ergon.Engine;

/// <summary>Checks the parts of a request that mean the same on every backend, and resolves the host paths that it names.</summary>
internal sealed class RequestValidator(string executor, IReadOnlyList<string> allowedRoots)
{
    /// <summary>The longest timeout, which is what a timer takes.</summary>
    public static readonly TimeSpan LongestTimeout = TimeSpan.FromDays(49);

    private const int MaxScriptBytes = 1 << 20;
    private const int MaxLabels = 64;
    private const int MaxPriority = 1000;

    /// <summary>Adds every problem; returns the request with its host paths resolved.</summary>
    public ExecutionRequest Validate(ExecutionRequest request, RequestProblems problems)
    {
        if (request.JobId == default) problems.Invalid("job_id", $"is missing; give {Identifier.Rule}.");
        if (request.ExecutionId == default) problems.Invalid("execution_id", $"is missing; give {Identifier.Rule}.");
        if (request.EngineSpec.Type != executor)
        {
            problems.Invalid("engine_spec.type", $"is '{request.EngineSpec.Type}', but this executor runs '{executor}'. Change it, or use the other executor.");
        }

        CheckResources(request.Resources, problems);
        CheckTimeouts(request, problems);
        CheckNetwork(request.Network, problems);
        CheckNames(request, problems);
        CheckScripts(request.ProvisionScripts, problems);
        return request with
        {
            Inputs = [.. request.Inputs.Select((volume, i) => CheckInput(volume, $"inputs[{i}]", problems))],
            Outputs = CheckOutputs(request, problems),
            ResultsDir = CheckResultsDir(request, problems),
        };
    }

    private static void CheckResources(Resources resources, RequestProblems problems)
    {
        if (resources.Cpu is { } cpu && !(cpu >= 0.01 && cpu <= 4096)) problems.Invalid("resources.cpu", $"is {cpu} cores; give 0.01 to 4096.");
        // Docker's own minimum; less does not even start a process.
        if (resources.Memory is < 6 << 20) problems.Invalid("resources.memory", $"is {resources.Memory} bytes; give at least 6 MiB.");
        if (resources.Disk is < 1 << 20) problems.Invalid("resources.disk", $"is {resources.Disk} bytes; give at least 1 MiB.");
        if (resources.Pids is < 1 or > 4_194_304) problems.Invalid("resources.pids", $"is {resources.Pids}; give 1 to 4194304.");
    }

    private static void CheckTimeouts(ExecutionRequest request, RequestProblems problems)
    {
        Check("timeouts.prepare", request.Timeouts.Prepare, TimeSpan.FromMilliseconds(1));
        if (request.Timeouts.Run is { } run) Check("timeouts.run", run, TimeSpan.FromMilliseconds(1));
        Check("timeouts.stop_grace", request.Timeouts.StopGrace, TimeSpan.Zero);
        if (request.PersistLogs is { } persist && persist < TimeSpan.Zero) problems.Invalid("persist_logs", "is negative; give a duration such as 24h.");
        if (request.LogLimits.MaxBytesPerStream < 0) problems.Invalid("log_limits.max_bytes_per_stream", "is negative.");
        if (request.LogLimits.ResultBytes is < 0 or > 64 << 20) problems.Invalid("log_limits.result_bytes", "is out of range; give 0 to 64 MiB.");

        void Check(string field, TimeSpan value, TimeSpan least)
        {
            if (value < least || value > LongestTimeout) problems.Invalid(field, $"is {(value < TimeSpan.Zero ? "negative" : Duration.Format(value))}; give {Duration.Format(least)} to {Duration.Format(LongestTimeout)}.");
        }
    }

    private static void CheckNetwork(NetworkSpec network, RequestProblems problems)
    {
        if (network.GatewayIp is { } gateway && !IPAddress.TryParse(gateway, out _)) problems.Invalid("network.gateway_ip", $"is '{gateway}', which is not an IP address.");
        for (var i = 0; i < network.Dns.Count; i++)
            if (!IPAddress.TryParse(network.Dns[i], out _)) problems.Invalid($"network.dns[{i}]", $"is '{network.Dns[i]}', which is not an IP address.");
        if (network.Mode == NetworkMode.None && network.Ports.Count > 0) problems.Invalid("network.mode", "is none, but ports are asked for; ports need a bridge or host network.");
        var taken = new HashSet<(string, int, PortProtocol)>();
        for (var i = 0; i < network.Ports.Count; i++)
        {
            var (port, field) = (network.Ports[i], $"network.ports[{i}]");
            if (port.HostIp is { } ip && !IPAddress.TryParse(ip, out _)) problems.Invalid(field + ".host_ip", $"is '{ip}', which is not an IP address.");
            if (port.HostPort is < 0 or > 65535) problems.Invalid(field + ".host_port", $"is {port.HostPort}; give 1 to 65535, or 0 for any.");
            if (port.ExecutorPort is < 1 or > 65535) problems.Invalid(field + ".executor_port", $"is {port.ExecutorPort}; give 1 to 65535.");
            if (port.HostPort > 0 && !taken.Add((port.HostIp ?? "", port.HostPort, port.Protocol))) problems.Invalid(field + ".host_port", $"{port.HostPort} is mapped twice.");
        }
    }

    private static void CheckNames(ExecutionRequest request, RequestProblems problems)
    {
        foreach (var name in request.Environment.Keys)
        {
            if (name.Length == 0 || name.Contains('=')) problems.Invalid("environment", $"'{Quoted.Clip(name)}' is not a variable name; it must not be empty or contain '='.");
        }

        if (request.Priority is < -MaxPriority or > MaxPriority) problems.Invalid("priority", $"is {request.Priority}; give {-MaxPriority} to {MaxPriority}.");
        if (request.RequestKey is { Length: 0 or > 128 }) problems.Invalid("request_key", "has none or more than 128 characters; give 1 to 128.");
        if (request.Labels.Count > MaxLabels) problems.Invalid("labels", $"has {request.Labels.Count} entries; at most {MaxLabels} are kept.");
        foreach (var (name, value) in request.Labels)
            if (!Identifier.IsValid(name) || value.Length > 4096) problems.Invalid($"labels.{Quoted.Clip(name)}", $"a label's name is {Identifier.Rule}, and its value has at most 4096 characters.");
    }

    private static void CheckScripts(IReadOnlyList<ProvisionScript> scripts, RequestProblems problems)
    {
        var names = new HashSet<string>();
        for (var i = 0; i < scripts.Count; i++)
        {
            var (script, field) = (scripts[i], $"provision_scripts[{i}]");
            if (!Identifier.IsValid(script.Name)) problems.Invalid(field + ".name", $"is '{script.Name}'; give a file name: {Identifier.Rule}.");
            else if (!names.Add(script.Name)) problems.Invalid(field + ".name", $"'{script.Name}' is used twice; give each script a name of its own.");
            if (script.Content.IsEmpty) problems.Invalid(field + ".content", "is empty.");
            if (script.Content.Length > MaxScriptBytes) problems.Invalid(field + ".content", $"has {script.Content.Length} bytes; at most {MaxScriptBytes} are taken. Bring larger data as an input.");
        }
    }

    private StorageVolume CheckInput(StorageVolume volume, string field, RequestProblems problems)
    {
        CheckVolume(volume, field, problems);
        if (!Path.IsPathFullyQualified(volume.Source) || volume.Source.Contains('\0'))
        {
            problems.Invalid(field + ".source", $"is '{volume.Source}'; give an absolute path.");
            return volume;
        }

        try
        {
            var resolved = HostPath.Resolve(volume.Source);
            if (!Path.Exists(resolved)) problems.Invalid(field + ".source", $"{volume.Source} does not exist on this host.");
            else if (allowedRoots.Count > 0 && !HostPath.IsWithinAny(resolved, allowedRoots)) problems.Forbidden(field + ".source", $"{volume.Source} leads outside the directories that the operator allows ({string.Join(", ", allowedRoots)}).");
            return volume with { Source = resolved };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Invalid(field + ".source", $"{volume.Source} cannot be read: {e.Message}");
            return volume;
        }
    }

    private static IReadOnlyList<StorageVolume> CheckOutputs(ExecutionRequest request, RequestProblems problems)
    {
        var names = new HashSet<string>();
        for (var i = 0; i < request.Outputs.Count; i++)
        {
            var (output, field) = (request.Outputs[i], $"outputs[{i}]");
            CheckVolume(output, field, problems);
            if (!Identifier.IsValid(output.Source)) problems.Invalid(field + ".source", $"is '{output.Source}'; give a name inside results_dir: {Identifier.Rule}.");
            else if (ResultsDirectory.ReservedNames.Contains(output.Source)) problems.Invalid(field + ".source", $"'{output.Source}' is written by the executor itself; choose another name.");
            else if (!names.Add(output.Source)) problems.Invalid(field + ".source", $"'{output.Source}' is used twice; give each output a name of its own.");
            if (request.ResultsDir is null) problems.Invalid(field, "needs a results_dir to end in.");
        }

        var targets = request.Inputs.Concat(request.Outputs).GroupBy(v => v.Target.TrimEnd('/')).Where(g => g.Count() > 1);
        foreach (var target in targets) problems.Invalid("inputs, outputs", $"{target.Key} is the target of {target.Count()} volumes; each needs its own.");
        return request.Outputs;
    }

    private string? CheckResultsDir(ExecutionRequest request, RequestProblems problems)
    {
        if (request.ResultsDir is not { } directory) return null;
        if (!Path.IsPathFullyQualified(directory) || directory.Contains('\0'))
        {
            problems.Invalid("results_dir", $"is '{directory}'; give an absolute path.");
            return directory;
        }

        try
        {
            var resolved = HostPath.Resolve(directory);
            if (File.Exists(resolved)) problems.Invalid("results_dir", $"{directory} is a file; give a directory.");
            if (allowedRoots.Count > 0 && !HostPath.IsWithinAny(resolved, allowedRoots)) problems.Forbidden("results_dir", $"{directory} leads outside the directories that the operator allows ({string.Join(", ", allowedRoots)}).");
            return resolved;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Invalid("results_dir", $"{directory} cannot be used: {e.Message}");
            return directory;
        }
    }

    private static void CheckVolume(StorageVolume volume, string field, RequestProblems problems)
    {
        if (volume.Type != "local") problems.NotSupported(field + ".type", $"is '{volume.Type}'; this executor knows 'local'.");
        var target = volume.Target;
        if (!target.StartsWith('/') || target.Contains('\0')) problems.Invalid(field + ".target", $"is '{target}'; give an absolute path inside the execution.");
        else if (target.TrimEnd('/').Length == 0) problems.Invalid(field + ".target", "is the root directory, which cannot be replaced.");
        else if (target.Split('/').Contains("..")) problems.Invalid(field + ".target", $"is '{target}'; '..' is not allowed.");
    }
}
