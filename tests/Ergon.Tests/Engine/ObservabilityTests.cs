using System.Diagnostics;
using System.Diagnostics.Metrics;
using Ergon.Conformance;
using Ergon.Tests.InMemory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Ergon.Tests.Engine;

/// <summary>What operators see: spans and meters.</summary>
public sealed class ObservabilityTests : IAsyncDisposable
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly IMeterFactory _meters;
    private readonly Executor _executor;

    public ObservabilityTests()
    {
        _meters = _services.GetRequiredService<IMeterFactory>();
        _executor = new Executor(new InMemoryDriver(new InMemoryBackend()), meterFactory: _meters);
    }

    public async ValueTask DisposeAsync()
    {
        await _executor.DisposeAsync();
        await _services.DisposeAsync();
    }

    [Fact]
    public async Task An_execution_is_a_span_with_a_child_for_each_phase()
    {
        var request = Request(Print("x"), Exit(3));
        using var caller = new Activity("caller").SetIdFormat(ActivityIdFormat.W3C).Start();
        var spans = new Spans(caller.TraceId);
        using (spans.Listen()) await _executor.RunAsync(request, Token);

        var execution = spans.All.Should().ContainSingle(s => s.OperationName == "execution").Subject;
        execution.GetTagItem("ergon.job_id").Should().Be(request.JobId.Value);
        execution.GetTagItem("ergon.execution_id").Should().Be(request.ExecutionId.Value);
        execution.GetTagItem("ergon.executor").Should().Be(InMemoryDriver.DriverName);
        execution.GetTagItem("ergon.reason").Should().Be("Exited");
        execution.ParentSpanId.Should().Be(caller.SpanId);
        var phases = spans.All.Where(s => s.ParentSpanId == execution.SpanId).ToList();
        phases.Select(s => s.OperationName).Should().BeEquivalentTo("prepare", "start", "run", "destroy");
        phases.Should().OnlyContain(s => s.StartTimeUtc >= execution.StartTimeUtc);
    }

    [Fact]
    public async Task A_start_that_fails_is_a_span_with_an_error()
    {
        var request = Request() with { EngineSpec = InMemoryDriver.Spec(new TestJob(), start: "fail") };
        using var caller = new Activity("caller").SetIdFormat(ActivityIdFormat.W3C).Start();
        var spans = new Spans(caller.TraceId);
        using (spans.Listen()) await Assert.ThrowsAsync<ExecutorException>(() => _executor.StartAsync(request, Token));

        spans.All.Should().ContainSingle(s => s.OperationName == "execution").Which.Status.Should().Be(ActivityStatusCode.Error);
        spans.All.Should().NotContain(s => s.OperationName == "run");
    }

    [Theory]
    [InlineData("hang", null, LogLevel.Information)]
    [InlineData(null, "fail", LogLevel.Warning)]
    public async Task A_start_that_fails_is_a_warning_and_one_that_is_given_up_is_none(string? prepare, string? start, LogLevel level)
    {
        using var provider = new FakeLoggerProvider();
        using var logs = new LoggerFactory([provider]);
        await using var executor = new Executor(new InMemoryDriver(new InMemoryBackend()), loggerFactory: logs);
        var request = Request() with { EngineSpec = InMemoryDriver.Spec(new TestJob(), prepare, start) };
        var starting = executor.StartAsync(request, Token);
        if (prepare is not null) await executor.CancelAsync(request.ExecutionId, Token);
        await Assert.ThrowsAsync<ExecutorException>(() => starting);

        provider.Collector.GetSnapshot().Should().ContainSingle(r => r.Message.Contains(request.ExecutionId.Value)).Which.Level.Should().Be(level);
    }

    [Fact]
    public async Task The_meters_count_what_happened()
    {
        using var meters = new MeterReader(_meters);
        await _executor.RunAsync(Request(Print("12345"), PrintError("678"), Exit(0)), Token);
        await _executor.RunAsync(Request(Exit(1)), Token);
        var running = Request(Hang());
        await _executor.StartAsync(running, Token);
        await Assert.ThrowsAsync<ExecutorException>(() =>
            _executor.StartAsync(Request() with { EngineSpec = InMemoryDriver.Spec(new TestJob(), start: "fail") }, Token));
        meters.Sum("ergon.executions.active").Should().Be(1);
        await _executor.CancelAsync(running.ExecutionId, Token);

        meters.Sum("ergon.executions.active").Should().Be(0);
        meters.Sum("ergon.executions.started").Should().Be(3);
        meters.Sum("ergon.executions.start_failed").Should().Be(1);
        meters.Sum("ergon.executions.concluded", "Exited").Should().Be(2);
        meters.Sum("ergon.executions.concluded", "Cancelled").Should().Be(1);
        meters.Sum("ergon.log.bytes").Should().Be(8);
        meters.Count("ergon.execution.start.duration").Should().Be(3);
        meters.Count("ergon.execution.run.duration").Should().Be(3);
        meters.Sum("ergon.execution.run.duration").Should().BePositive();
    }

    private static ExecutionRequest Request(params Step[] steps) => new()
    {
        JobId = JobId.Parse("observed"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = steps }),
        Timeouts = new Timeouts { StopGrace = TimeSpan.Zero },
    };

    /// <summary>The spans of one trace; other tests run at the same time.</summary>
    private sealed class Spans(ActivityTraceId trace)
    {
        private readonly Lock _lock = new();
        private readonly List<Activity> _all = [];

        public IReadOnlyList<Activity> All
        {
            get { lock (_lock) return [.. _all]; }
        }

        public ActivityListener Listen()
        {
            var listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == "Ergon",
                Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                    options.TraceId == trace ? ActivitySamplingResult.AllData : ActivitySamplingResult.None,
                ActivityStopped = activity =>
                {
                    lock (_lock) _all.Add(activity);
                },
            };
            ActivitySource.AddActivityListener(listener);
            return listener;
        }
    }

    /// <summary>Everything measured by the meters of one factory.</summary>
    private sealed class MeterReader : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly Lock _lock = new();
        private readonly List<(string Name, double Value, string? Reason)> _measurements = [];

        public MeterReader(IMeterFactory factory)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "Ergon" && ReferenceEquals(instrument.Meter.Scope, factory)) listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _listener.Start();
        }

        public double Sum(string name, string? reason = null)
        {
            lock (_lock) return _measurements.Where(m => m.Name == name && (reason is null || m.Reason == reason)).Sum(m => m.Value);
        }

        public int Count(string name)
        {
            lock (_lock) return _measurements.Count(m => m.Name == name);
        }

        public void Dispose() => _listener.Dispose();

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            string? reason = null;
            foreach (var (key, tag) in tags)
                if (key == "ergon.reason") reason = tag as string;
            lock (_lock) _measurements.Add((instrument.Name, value, reason));
        }
    }
}
