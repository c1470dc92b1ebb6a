using Ergon.Daemon.Executors;
using Microsoft.Extensions.Time.Testing;

namespace Ergon.Daemon.Tests;

/// <summary>Memory that many executions have needed.</summary>
public sealed class IdleMemoryTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void It_is_given_back_once_when_many_executions_have_ended_and_no_more_do()
    {
        using var memory = new IdleMemory(_time);

        for (var i = 0; i < 300; i++) memory.After(Task.CompletedTask);
        _time.Advance(TimeSpan.FromSeconds(4));
        memory.After(Task.CompletedTask);
        _time.Advance(TimeSpan.FromSeconds(4));
        memory.Releases.Should().Be(0, "one has ended a moment ago");
        _time.Advance(TimeSpan.FromHours(1));

        memory.Releases.Should().Be(1);
    }

    [Fact]
    public void A_few_executions_cost_no_collection()
    {
        using var memory = new IdleMemory(_time);

        for (var i = 0; i < 20; i++) memory.After(Task.FromException(new InvalidOperationException()));
        _time.Advance(TimeSpan.FromHours(1));

        memory.Releases.Should().Be(0);
    }
}
