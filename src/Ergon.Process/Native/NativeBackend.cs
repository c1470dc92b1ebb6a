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

    public async ValueTask<IDriverExecution?> AttachAsync(DriverContext context, ProcessSpec spec, CancellationToken cancellationToken)
    {
        var protections = await ProtectionsAsync().WaitAsync(cancellationToken);
        // What was allowed then is not judged again.
        var plan = new NativePlan(_options, context.Request, spec, new RequestProblems());
        plan.CheckAgainst(protections);
        lock (_lock) _executorIds.Add(context.ExecutorId);
        var builder = new NativeExecutionBuilder(context, spec, plan, protections, _events, _time);
        try
        {
            if (builder.Attach() is { } execution) return execution;
        }
        catch (IOException e)
        {
            // It ended as it was looked at, or cannot be controlled any more: nobody must be left with half of it.
            _logger.NotAttached(context.Request.ExecutionId, e);
        }

        builder.Release();
        await Leftovers.RemoveAsync(context, protections, _events, cancellationToken);
        return null;
    }

    public async ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken) =>
        await Leftovers.RemoveAllAsync(executorId, keep, await ProtectionsAsync().WaitAsync(cancellationToken), _events, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (_protections is not null)
        {
            var protections = await _protections;
            foreach (var executorId in _executorIds)
            {
                protections.Cgroups.RemoveExecutor(executorId);
                protections.KeptCgroups.RemoveExecutor(executorId);
            }
        }

        _events.Dispose();
    }
}
