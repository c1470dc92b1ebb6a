using Ergon.Runc.Tests.Conformance;

namespace Ergon.Runc.Tests;

/// <summary>What the tests of the runc executor share: an executor of their own, and jobs that are shell scripts.</summary>
public abstract class RuncTests(RuncFixture fixture) : IAsyncLifetime
{
    private protected string ExecutorId { get; } = $"tests-{Guid.NewGuid():n}";

    private protected RuncFixture Fixture { get; } = fixture;

    /// <summary>A directory of the test's own.</summary>
    private protected string Scratch { get; } = fixture.NewDirectory();

    private protected Executor Executor { get; private set; } = null!;

    private protected static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The settings of the driver.</summary>
    private protected virtual RuncOptions Options => Fixture.Options;

    private protected virtual TimeProvider Time => TimeProvider.System;

    private protected ExecutorOptions ExecutorOptions => new() { ExecutorId = ExecutorId, DataDirectory = Path.Combine(Scratch, "data") };

    public ValueTask InitializeAsync()
    {
        Assert.SkipWhen(Fixture.SkipReason is not null, Fixture.SkipReason ?? "");
        Executor = RuncExecutor.Create(Options, ExecutorOptions, timeProvider: Time);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (Executor is null) return;
        await Executor.CleanupAsync();
        await Executor.DisposeAsync();
        NothingIsLeft();
    }

    /// <summary>No process, cgroup, network or mount carries the executor's id.</summary>
    private protected void NothingIsLeft() => HostView.Leftovers([ExecutorId], Scratch).Should().BeEmpty();

    /// <summary>Writes busybox with layers above it, and returns its name as a spec has it.</summary>
    private protected string Image(params byte[][] layers)
    {
        var path = Path.Combine(Scratch, $"{Guid.NewGuid():n}.tar");
        TestImages.WriteBusybox(path, layers);
        return "docker-archive:" + path;
    }

    private protected ExecutionRequest Request(string script, Func<RuncSpec, RuncSpec>? change = null)
    {
        var spec = new RuncSpec { Image = Fixture.Image, Cmd = ["sh", "-c", script] };
        return new ExecutionRequest
        {
            JobId = JobId.Parse("job"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = (change?.Invoke(spec) ?? spec).ToSpecConfig(),
            Timeouts = new Timeouts { StopGrace = TimeSpan.FromSeconds(1), Run = TimeSpan.FromMinutes(1) },
        };
    }

    private protected Task<ExecutionResult> RunAsync(ExecutionRequest request) => Executor.RunAsync(request, Token);

    /// <summary>What a script prints, which must succeed.</summary>
    private protected async Task<string> OutputAsync(string script, Func<RuncSpec, RuncSpec>? change = null) => await OutputAsync(Request(script, change));

    private protected async Task<string> OutputAsync(ExecutionRequest request)
    {
        var result = await RunAsync(request);
        result.Status.Should().Be(ExecutionStatus.Success, "{0} {1} {2}", result.Reason, result.Error, result.Stderr);
        return result.Stdout.Text;
    }

    /// <summary>Expects that a start fails, and that nothing is left of it.</summary>
    private protected async Task<ExecutorException> RefusalAsync(ExecutionRequest request, ErrorCode code)
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(() => Executor.StartAsync(request, Token));
        error.Code.Should().Be(code, error.Message);
        HostView.Leftovers([ExecutorId], Scratch).Where(left => !left.StartsWith("cgroup")).Should().BeEmpty();
        HostView.CgroupsOf(ExecutorId, request.ExecutionId).Should().BeEmpty();
        Directory.Exists(Path.Combine(Scratch, "data", ExecutorId, request.ExecutionId.Value)).Should().BeFalse();
        return error;
    }
}
