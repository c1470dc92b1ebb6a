using System.Collections.Concurrent;

namespace Ergon.Conformance;

/// <summary>What the tests of every area share. Each test has a deadline, and removes the executions that it started.</summary>
public abstract class ConformanceTests(ConformanceFixture fixture) : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    private readonly CancellationTokenSource _deadline = CreateDeadline();
    private readonly ConcurrentQueue<(IExecutor Executor, ExecutionId Id)> _started = new();

    /// <summary>The kind of executor under test.</summary>
    protected ConformanceFixture Fixture { get; } = Usable(fixture);

    /// <summary>The shared executor.</summary>
    protected IExecutor Executor => Fixture.Executor;

    /// <summary>What the executor says it can do.</summary>
    protected ExecutorCapabilities Can => Fixture.Capabilities;

    /// <summary>Cancelled when the test takes too long.</summary>
    protected CancellationToken Token => _deadline.Token;

    /// <summary>An id that no executor knows.</summary>
    protected static ExecutionId UnknownId => ExecutionId.New();

    /// <summary>A request for a job of these steps.</summary>
    protected ExecutionRequest Request(params Step[] steps) => Request(new TestJob { Steps = steps });

    /// <summary>A request for a job. The stop grace is short, so that tests which stop a job that does not listen are quick.</summary>
    protected ExecutionRequest Request(TestJob job) => Request(Fixture.Spec(job));

    /// <summary>A request for a spec.</summary>
    protected static ExecutionRequest Request(SpecConfig spec) => new()
    {
        JobId = JobId.Parse("conformance"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = spec,
        Timeouts = new Timeouts { StopGrace = TimeSpan.FromSeconds(1) },
    };

    /// <summary>Runs a job of these steps on the shared executor.</summary>
    protected Task<ExecutionResult> RunAsync(params Step[] steps) => RunAsync(Request(steps));

    /// <summary>Runs a request.</summary>
    protected async Task<ExecutionResult> RunAsync(ExecutionRequest request, IExecutor? executor = null)
    {
        Track(request, executor);
        return await (executor ?? Executor).RunAsync(request, Token);
    }

    /// <summary>Starts a job of these steps on the shared executor.</summary>
    protected Task<ExecutionId> StartAsync(params Step[] steps) => StartAsync(Request(steps));

    /// <summary>Starts a request.</summary>
    protected async Task<ExecutionId> StartAsync(ExecutionRequest request, IExecutor? executor = null)
    {
        Track(request, executor);
        await (executor ?? Executor).StartAsync(request, Token);
        return request.ExecutionId;
    }

    /// <summary>Removes the execution after the test, if it is there then.</summary>
    protected ExecutionRequest Track(ExecutionRequest request, IExecutor? executor = null)
    {
        _started.Enqueue((executor ?? Executor, request.ExecutionId));
        return request;
    }

    /// <summary>Waits on the shared executor.</summary>
    protected Task<ExecutionResult> WaitAsync(ExecutionId id) => Executor.WaitAsync(id, Token);

    /// <summary>Expects the executor's exception with the code.</summary>
    protected static async Task<ExecutorException> Refusal(ErrorCode code, Func<Task> act)
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(act);
        Assert.True(error.Code == code, $"Expected {code}, but was {error.Code}: {error.Message}");
        Assert.False(string.IsNullOrWhiteSpace(error.Message));
        return error;
    }

    /// <summary>Expects the refusal of a request, with the field among its problems, and nothing known of it afterwards.</summary>
    protected async Task<ExecutorException> RefusedRequest(ExecutionRequest request, string field, ErrorCode code = ErrorCode.InvalidRequest)
    {
        Track(request);
        var error = await Refusal(code, () => Executor.StartAsync(request, Token));
        error.Problems.Select(p => p.Field).Should().Contain(f => f.StartsWith(field, StringComparison.Ordinal));
        (await Executor.ListAsync(null, Token)).Should().NotContain(i => i.ExecutionId == request.ExecutionId);
        return error;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        using var deadline = CreateDeadline();
        foreach (var (executor, id) in _started)
        {
            try
            {
                await executor.RemoveAsync(id, Deadline, deadline.Token);
            }
            catch (ExecutorException e) when (e.Code is ErrorCode.ExecutionNotFound or ErrorCode.ExecutorClosed)
            {
                // The test removed it, or disposed its executor, or the start was refused.
            }
        }

        _deadline.Dispose();
    }

    private static ConformanceFixture Usable(ConformanceFixture fixture)
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        return fixture;
    }

    private static CancellationTokenSource CreateDeadline()
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        source.CancelAfter(Deadline);
        return source;
    }
}
