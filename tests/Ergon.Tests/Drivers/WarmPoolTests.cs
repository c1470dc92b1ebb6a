using Ergon.Drivers;
using Microsoft.Extensions.Time.Testing;

namespace Ergon.Tests.Drivers;

/// <summary>What waits for jobs, how much of it, and how long.</summary>
public sealed class WarmPoolTests : IAsyncDisposable
{
    private static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly List<Sandbox> _made = [];
    private readonly WarmPool<string, Sandbox> _pool;
    private string? _failure;
    private int _failures;

    public WarmPoolTests() => _pool = new WarmPool<string, Sandbox>(MakeAsync, maxIdle: 2, IdleTime, _time);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync() => await _pool.DisposeAsync();

    [Fact]
    public async Task What_is_asked_for_once_is_not_made()
    {
        (await TakeAsync("a")).Should().BeNull();
        (await TakeAsync("b")).Should().BeNull();
        (await TakeAsync("b")).Should().BeNull();
        await UntilAsync(() => _pool.Waiting == 2);

        Made().Should().OnlyContain(s => s.Kind == "b");
    }

    [Fact]
    public async Task What_waited_longest_is_taken_and_made_up_for()
    {
        await AskTwiceAsync("a");
        await UntilAsync(() => _pool.Waiting == 2);
        var first = Made()[0];

        (await TakeAsync("a")).Should().BeSameAs(first);

        await UntilAsync(() => _pool.Waiting == 2);
        Made().Should().HaveCount(3).And.OnlyContain(s => !s.Removed);
    }

    [Fact]
    public async Task What_cannot_be_used_any_more_is_removed_and_never_given()
    {
        await AskTwiceAsync("a");
        await UntilAsync(() => _pool.Waiting == 2);
        var first = Made()[0];

        var taken = await _pool.TakeAsync("a", sandbox => ValueTask.FromResult(sandbox != first));

        taken.Should().NotBeNull().And.NotBeSameAs(first);
        first.Removed.Should().BeTrue();
    }

    [Fact]
    public async Task What_cannot_be_looked_at_is_removed_and_the_reason_is_told()
    {
        await AskTwiceAsync("a");
        await UntilAsync(() => _pool.Waiting == 2);

        var taking = async () => await _pool.TakeAsync("a", _ => throw new IOException("gone"));

        await taking.Should().ThrowAsync<IOException>().WithMessage("gone");
        Made()[0].Removed.Should().BeTrue();
    }

    [Fact]
    public async Task A_kind_that_is_asked_for_takes_the_place_of_one_that_was_not_of_late()
    {
        await AskTwiceAsync("a");
        await UntilAsync(() => _pool.Waiting == 2);
        _time.Advance(TimeSpan.FromSeconds(10));

        await AskTwiceAsync("b");
        await UntilAsync(() => Made().Any(s => s.Kind == "b"));

        Made().Count(s => !s.Removed).Should().BeLessThanOrEqualTo(2, "no more may wait");
    }

    [Fact]
    public async Task What_nobody_asks_for_any_more_is_removed()
    {
        await AskTwiceAsync("a");
        await UntilAsync(() => _pool.Waiting == 2);

        await UntilAsync(() =>
        {
            _time.Advance(IdleTime);
            return Made().TrueForAll(s => s.Removed);
        });

        _pool.Waiting.Should().Be(0);
    }

    [Fact]
    public async Task Why_none_can_be_made_is_told_and_it_is_not_tried_again_at_once()
    {
        _failure = "no room";
        await AskTwiceAsync("a");
        // Both that are wanted.
        await UntilAsync(() => Volatile.Read(ref _failures) == 2 && _pool.Problem == "no room");
        _failure = null;

        await TakeAsync("a");
        Made().Should().BeEmpty();
        _time.Advance(TimeSpan.FromMinutes(1));
        await TakeAsync("a");

        await UntilAsync(() => _pool is { Waiting: > 0, Problem: null });
    }

    [Fact]
    public async Task One_that_is_made_for_a_caller_is_the_callers_alone()
    {
        var made = await _pool.MakeAsync("a", Token);

        await AskTwiceAsync("b");
        await UntilAsync(() => _pool.Waiting == 2);
        (await TakeAsync("a")).Should().BeNull();
        await _pool.DisposeAsync();

        made.Should().NotBeNull();
        made!.Removed.Should().BeFalse();
    }

    [Fact]
    public async Task Why_none_can_be_made_for_a_caller_is_told()
    {
        _failure = "no room";

        (await _pool.MakeAsync("a", Token)).Should().BeNull();

        _pool.Problem.Should().Be("no room");
    }

    [Fact]
    public async Task Its_end_is_the_end_of_what_waits_also_when_that_cannot_be_removed()
    {
        await AskTwiceAsync("a");
        await UntilAsync(() => _pool.Waiting == 2);
        Made()[0].CannotBeRemoved = true;

        await _pool.DisposeAsync();

        Made()[1].Removed.Should().BeTrue();
        _pool.Problem.Should().Be("cannot be removed");
    }

    private async Task AskTwiceAsync(string kind)
    {
        for (var i = 0; i < 2; i++) (await TakeAsync(kind)).Should().BeNull();
    }

    private async Task<Sandbox?> TakeAsync(string kind) => await _pool.TakeAsync(kind, static _ => ValueTask.FromResult(true));

    private List<Sandbox> Made()
    {
        lock (_made) return [.. _made];
    }

    private Task<Sandbox> MakeAsync(string kind, CancellationToken cancellationToken)
    {
        if (_failure is { } failure)
        {
            Interlocked.Increment(ref _failures);
            throw new IOException(failure);
        }

        var sandbox = new Sandbox(kind);
        lock (_made) _made.Add(sandbox);
        return Task.FromResult(sandbox);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition()) await Task.Delay(Look, TimeProvider.System, Token);
    }

    private sealed class Sandbox(string kind) : IAsyncDisposable
    {
        public string Kind => kind;

        public bool Removed { get; private set; }

        public bool CannotBeRemoved { get; set; }

        public ValueTask DisposeAsync()
        {
            if (CannotBeRemoved) throw new IOException("cannot be removed");
            Removed = true;
            return ValueTask.CompletedTask;
        }
    }
}
