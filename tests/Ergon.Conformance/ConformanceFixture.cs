using System.Collections.Concurrent;
using System.Text;

namespace Ergon.Conformance;

/// <summary>
/// What the suite has to know about one kind of executor. Register it with <c>[assembly: AssemblyFixture(typeof(...))]</c> and derive
/// one class from each abstract class of the suite; <see cref="SuiteConformance"/> tells when one is missing.
/// </summary>
/// <remarks>When the fixture is disposed, after the last test, it audits what the suite left behind and throws when there is anything.</remarks>
public abstract class ConformanceFixture : IAsyncLifetime
{
    private readonly ConcurrentDictionary<string, byte> _executorIds = new(StringComparer.Ordinal);
    private IExecutor? _executor;
    private ExecutorFingerprint? _fingerprint;
    private int _directories;

    /// <summary>The executor that most tests share, as executions do in real life.</summary>
    public IExecutor Executor => _executor ?? throw new InvalidOperationException("The fixture has not been initialized.");

    /// <summary>What the executor said about itself.</summary>
    public ExecutorFingerprint Fingerprint => _fingerprint ?? throw new InvalidOperationException("The fixture has not been initialized.");

    /// <summary>What the executor says it can do.</summary>
    public ExecutorCapabilities Capabilities => Fingerprint.Capabilities;

    /// <summary>A directory of the fixture's own in the host's temporary directory; everything that the suite puts on disk lies in it.</summary>
    public string Root { get; } = Directory.CreateTempSubdirectory("conformance-").FullName;

    /// <summary>Why the suite cannot run here; every test is then skipped with this reason. <see langword="null"/>: it can.</summary>
    public virtual string? SkipReason => null;

    /// <summary>How much each of stdout and stderr carries in the test of large outputs.</summary>
    public virtual long LargeOutputSize => 100_000_000;

    /// <summary>How many executions run at one time in the test of concurrency.</summary>
    public virtual int ConcurrentExecutions => 50;

    /// <summary>How long a job is given for its first steps where it is then to time out.</summary>
    public virtual TimeSpan FirstSteps => TimeSpan.FromSeconds(1);

    /// <summary>Puts a job into the backend's own engine spec.</summary>
    public abstract SpecConfig Spec(TestJob job);

    /// <summary>Puts a job into the command line of <see cref="IExecutor.ExecAsync"/>.</summary>
    public virtual IReadOnlyList<string> Command(TestJob job) => job.ToCommand();

    /// <summary>Puts steps into a provision script.</summary>
    public virtual ReadOnlyMemory<byte> Script(params Step[] steps) => Encoding.UTF8.GetBytes(ShellScript.From(steps));

    /// <summary>
    /// A spec the preparation of which does not end by itself, such as an image in a registry that never answers;
    /// <see langword="null"/> when the backend has nothing that could take long.
    /// </summary>
    public virtual SpecConfig? SpecThatNeverGetsPrepared => null;

    /// <summary>A spec the start of which always fails in the backend; <see langword="null"/> when there is none.</summary>
    public virtual SpecConfig? SpecThatFailsToStart => null;

    /// <summary>The name under which a job on a bridge reaches this host; <see langword="null"/> when it cannot.</summary>
    public virtual string? HostName => "host.docker.internal";

    /// <summary>Kills the job past the executor, as an administrator would; <see langword="false"/> when the backend has no such way.</summary>
    public virtual Task<bool> KillExternallyAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken) =>
        Task.FromResult(false);

    /// <summary>Lets a new executor find what a former one with the same id left.</summary>
    public virtual Task RecoverAsync(IExecutor executor, CancellationToken cancellationToken) =>
        ((Executor)executor).RecoverAsync(cancellationToken);

    /// <summary>Creates another executor on the same backend. The caller disposes it.</summary>
    public IExecutor CreateExecutor(ExecutorOptions? options = null)
    {
        options ??= new ExecutorOptions();
        options = options with
        {
            ExecutorId = options.ExecutorId ?? $"conformance-{Guid.NewGuid():n}",
            DataDirectory = options.DataDirectory ?? NewDirectory(),
        };
        _executorIds.TryAdd(options.ExecutorId, 0);
        return Create(options);
    }

    /// <summary>Makes a new directory below <see cref="Root"/>.</summary>
    public string NewDirectory() =>
        Directory.CreateDirectory(Path.Combine(Root, Interlocked.Increment(ref _directories).ToString("d4"))).FullName;

    /// <summary>Starts what the backend needs, and nothing when it is there already.</summary>
    protected virtual ValueTask SetUpAsync() => ValueTask.CompletedTask;

    /// <summary>Stops what <see cref="SetUpAsync"/> started.</summary>
    protected virtual ValueTask TearDownAsync() => ValueTask.CompletedTask;

    /// <summary>Creates an executor with exactly these options.</summary>
    protected abstract IExecutor Create(ExecutorOptions options);

    /// <summary>
    /// Lists everything in the backend that carries one of the ids (containers, processes, cgroups, mounts, networks, ...), for people.
    /// </summary>
    protected abstract Task<IReadOnlyList<string>> FindLeftoversAsync(IReadOnlyCollection<string> executorIds);

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        if (SkipReason is not null) return;
        await SetUpAsync();
        _executor = CreateExecutor();
        _fingerprint = await _executor.FingerprintAsync();
        if (!_fingerprint.Available)
            throw new InvalidOperationException($"'{_executor.Name}' cannot run jobs here: {string.Join(' ', _fingerprint.Problems)}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        try
        {
            List<string> leftovers = [];
            if (_executor is not null)
            {
                leftovers.AddRange((await _executor.ListAsync()).Select(i => $"execution {i.ExecutionId} ({i.Status})"));
                await _executor.CleanupAsync();
                await _executor.DisposeAsync();
            }

            leftovers.AddRange(await FindLeftoversAsync([.. _executorIds.Keys]));
            if (leftovers.Count > 0)
                throw new InvalidOperationException($"The suite left behind:{string.Concat(leftovers.Select(l => "\n  - " + l))}");
        }
        finally
        {
            Directory.Delete(Root, recursive: true);
            if (SkipReason is null) await TearDownAsync();
        }
    }
}
