using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Linux;
using Microsoft.Extensions.Logging;

namespace Ergon.Process.Native;

/// <summary>Runs jobs with what the Linux kernel offers.</summary>
[SupportedOSPlatform("linux")]
internal sealed class NativeBackend : IProcessBackend
{
    private readonly ProcessOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly KernelEvents _events = new();
    private readonly Lock _lock = new();
    private readonly HashSet<string> _executorIds = [];
    private Task<Protections>? _protections;

    private readonly Func<KernelEvents, Task<Protections>> _detect;

    /// <summary>Creates the backend.</summary>
    /// <param name="options">The driver's settings.</param>
    /// <param name="detect">Finds out, once, which protections can be had.</param>
    /// <param name="logger">Is told what is missing.</param>
    /// <param name="time">The clock.</param>
    public NativeBackend(ProcessOptions options, Func<KernelEvents, Task<Protections>> detect, ILogger logger, TimeProvider time) =>
        (_options, _detect, _logger, _time) = (options, detect, logger, time);

    /// <summary>Whether the kernel and the architecture have what everything here is built on: pidfds.</summary>
    public static bool IsSupported => SystemCallNumbers.Known && Environment.OSVersion.Version >= new Version(5, 4);

    private Task<Protections> ProtectionsAsync()
    {
        lock (_lock) return _protections ??= DetectAsync();
    }

    private async Task<Protections> DetectAsync()
    {
        ChildProcess.KeepExitStatus();
        var protections = await _detect(_events);
        foreach (var (problem, remedy) in protections.Problems()) _logger.ProtectionMissing(problem, remedy);
        return protections;
    }

    public async ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken)
    {
        var protections = await ProtectionsAsync().WaitAsync(cancellationToken);
        return new ExecutorFingerprint
        {
            Executor = ProcessSpec.Type,
            Available = protections.HasSandbox || !_options.RequireSandbox,
            Version = Environment.OSVersion.Version.ToString(),
            Capabilities = protections.Capabilities(_options),
            Problems = protections.Problems(),
            Details = new Dictionary<string, string>
            {
                ["kernel"] = Environment.OSVersion.VersionString,
                ["cgroups"] = protections.Cgroups.Layout,
                ["sandbox"] = protections.HasSandbox ? "namespaces" : "none",
                ["job_user"] = Protections.IsRoot ? _options.User : $"{Libc.EffectiveUserId()}",
            },
        };
    }

    public void Validate(ExecutionRequest request, ProcessSpec spec, RequestProblems problems) =>
        new NativePlan(_options, request, spec, problems).Check();

    public async ValueTask<IDriverExecution> PrepareAsync(DriverContext context, ProcessSpec spec, CancellationToken cancellationToken)
    {
        var protections = await ProtectionsAsync().WaitAsync(cancellationToken);
        var problems = new RequestProblems();
        var plan = new NativePlan(_options, context.Request, spec, problems);
        plan.CheckAgainst(protections);
        problems.ThrowIfAny(context.Request.ExecutionId);
        lock (_lock) _executorIds.Add(context.ExecutorId);
        var builder = new NativeExecutionBuilder(context, spec, plan, protections, _events, _time);
        try
        {
            return await builder.BuildAsync(cancellationToken);
        }
        catch (Exception e)
        {
            await UndoAsync(builder, context.Request.ExecutionId);
            if (e is IOException or UnauthorizedAccessException)
                throw new ExecutorException(ErrorCode.BackendFailed, $"The execution could not be prepared: {e.Message}.", context.Request.ExecutionId, e);
            throw;
        }
    }

    private async Task UndoAsync(NativeExecutionBuilder builder, ExecutionId executionId)
    {
        try
        {
            await builder.UndoAsync();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _logger.UndoFailed(executionId, e);
        }
    }

    public async ValueTask RemoveLeftoversAsync(DriverContext context, CancellationToken cancellationToken)
    {
        var cgroups = (await ProtectionsAsync().WaitAsync(cancellationToken)).Cgroups;
        if (cgroups.IsUsable) await cgroups.Find(context.ExecutorId, context.Request.ExecutionId.Value).RemoveAsync(_events, cancellationToken);
        OutsideDirectory.Find(context.WorkDirectory)?.Delete();
    }

    public async ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken)
    {
        var cgroups = (await ProtectionsAsync().WaitAsync(cancellationToken)).Cgroups;
        if (!cgroups.IsUsable) return;
        foreach (var name in cgroups.List(executorId))
        {
            if (ExecutionId.TryParse(name, out var id) && !keep.Contains(id)) await cgroups.Find(executorId, name).RemoveAsync(_events, cancellationToken);
        }

        cgroups.RemoveExecutor(executorId);
    }

    public async ValueTask DisposeAsync()
    {
        if (_protections is not null)
        {
            var cgroups = (await _protections).Cgroups;
            foreach (var executorId in _executorIds) cgroups.RemoveExecutor(executorId);
        }

        _events.Dispose();
    }
}
