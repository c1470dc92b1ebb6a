using Ergon.Daemon.Security;
using Microsoft.Extensions.Time.Testing;

namespace Ergon.Daemon.Tests.Service;

/// <summary>How often a caller may call.</summary>
public sealed class CallRateTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void After_a_burst_a_caller_is_held_to_its_rate_and_others_are_not()
    {
        var rate = new CallRate(perSecond: 10, burst: 3, _time);

        Enumerable.Range(0, 5).Select(_ => rate.TryTake("one")).Should().Equal(true, true, true, false, false);
        rate.TryTake("two").Should().BeTrue();
        _time.Advance(TimeSpan.FromMilliseconds(100));
        Enumerable.Range(0, 2).Select(_ => rate.TryTake("one")).Should().Equal(true, false);
    }

    [Fact]
    public void Who_has_not_called_for_long_has_a_burst_and_no_more()
    {
        var rate = new CallRate(perSecond: 10, burst: 3, _time);
        for (var i = 0; i < 4; i++) rate.TryTake("one");

        _time.Advance(TimeSpan.FromDays(1));

        Enumerable.Range(0, 4).Select(_ => rate.TryTake("one")).Should().Equal(true, true, true, false);
    }
}
