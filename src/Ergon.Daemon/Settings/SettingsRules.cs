using System.Globalization;
using Ergon.Admission;
using Ergon.Daemon.Executors;

namespace Ergon.Daemon.Settings;

/// <summary>What settings must be beside being well written.</summary>
internal static class SettingsRules
{
    /// <summary>The most that a result carries of each stream.</summary>
    public const int MostResultBytes = 64 << 20;

    /// <summary>Adds everything that is wrong.</summary>
    public static void Check(DaemonOptions options, RequestProblems problems)
    {
        if (options.SocketPath is null && options.Network is null) problems.Invalid("socket", "is missing, and so is network: nobody could call. Give one of them.");
        CheckExecutors(options, problems);
        AtLeast("max_concurrent_executions", options.MaxConcurrentExecutions, 1, problems);
        AtLeast("retention.max_results", options.MaxRetainedResults, 0, problems);
        AtLeast("retention.max_bytes", options.MaxRetainedBytes, 0, problems);
        AtLeast("retention.max_executions", options.MaxConcludedExecutions, 1, problems);
        AtLeast("output.max_bytes_per_stream", options.MaxLogLimits?.MaxBytesPerStream, 0, problems);
        if (options.MaxLogLimits?.ResultBytes is < 0 or > MostResultBytes) problems.Invalid("output.result_bytes", "is out of range; give 0 to 64 MiB.");
        AtLeast("database.max_events", options.Database.MaxEvents, 1, problems);
        AtLeast("docker.warm_containers.max_idle", options.Docker.WarmContainers?.MaxIdle, 1, problems);
        if (options.Docker.Endpoint is { IsAbsoluteUri: false }) problems.Invalid("docker.host", $"is '{options.Docker.Endpoint}'; give unix:///path or tcp://host:port.");
        options.Qemu?.Check("qemu", problems);
        options.Firecracker?.Check("firecracker", problems);
        CheckAdmission(options.Admission, problems);
        CheckPolicy(options.Policy, problems);
    }

    private static void CheckExecutors(DaemonOptions options, RequestProblems problems)
    {
        foreach (var (i, name) in options.Executors.Index())
        {
            if (!ExecutorFactory.Names.Contains(name)) problems.Invalid($"executors[{i}]", $"is '{name}', which is not here; {NearestName.Explain(name, ExecutorFactory.Names)}");
            else if (options.Executors.Take(i).Contains(name)) problems.Invalid($"executors[{i}]", $"has '{name}' once more; name each once.");
        }

        foreach (var (name, id) in options.ExecutorIds)
        {
            if (!ExecutorFactory.Names.Contains(name)) problems.Invalid($"executor_ids.{name}", $"names no executor; {NearestName.Explain(name, ExecutorFactory.Names)}");
            if (!Identifier.IsValid(id)) problems.Invalid($"executor_ids.{name}", $"is '{id}'; give {Identifier.Rule}.");
        }
    }

    private static void CheckAdmission(AdmissionOptions? admission, RequestProblems problems)
    {
        if (admission is null) return;
        CheckLimits("admission.total", admission.Total, problems);
        CheckLimits("admission.per_request", admission.PerRequest, problems);
        CheckLimits("admission.unstated", admission.Unstated, problems);
        AtLeast("admission.max_executions", admission.MaxExecutions, 1, problems);
        AtLeast("admission.max_queued", admission.MaxQueued, 0, problems);
    }

    private static void CheckPolicy(DaemonPolicy policy, RequestProblems problems)
    {
        foreach (var (i, name) in (policy.Engines ?? []).Index())
            if (!ExecutorFactory.Names.Contains(name)) problems.Invalid($"policy.engines[{i}]", $"is '{name}', which is not here; {NearestName.Explain(name, ExecutorFactory.Names)}");
        foreach (var (i, root) in policy.VolumeRoots.Index())
            if (!Path.IsPathFullyQualified(root)) problems.Invalid($"policy.volume_roots[{i}]", $"is '{root}'; give an absolute path.");
        if (policy.Resources is { } most) CheckLimits("policy.resources", most, problems);
    }

    private static void CheckLimits(string path, ResourceLimits limits, RequestProblems problems)
    {
        if (limits.Cpu is { } cpu && !(cpu >= 0 && double.IsFinite(cpu))) problems.Invalid($"{path}.cpu", $"is {cpu.ToString(CultureInfo.InvariantCulture)}; give a number of cores.");
        AtLeast($"{path}.memory", limits.Memory, 0, problems);
        AtLeast($"{path}.disk", limits.Disk, 0, problems);
        AtLeast($"{path}.gpus", limits.Gpus, 0, problems);
    }

    /// <summary>Adds that a number is too small.</summary>
    public static void AtLeast(string path, long? value, long least, RequestProblems problems)
    {
        if (value < least) problems.Invalid(path, string.Create(CultureInfo.InvariantCulture, $"is {value}; give at least {least}."));
    }
}
