using Ergon.Storage;

namespace Ergon.Daemon.Tests.Storage;

/// <summary>What is put into the database comes out of it, after a restart too.</summary>
public sealed class SqliteStoreTests : DatabaseTests
{
    [Fact]
    public async Task An_execution_is_found_again_as_it_was_left()
    {
        var request = Request("a") with { Labels = new Dictionary<string, string> { ["team"] = "x" } };
        var pauses = new PauseTimes(TimeSpan.FromSeconds(7), new DateTimeOffset(2030, 1, 2, 3, 5, 0, TimeSpan.Zero));
        await using (var store = await OpenAsync())
        {
            await store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(request), Request = request });
            await store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(request, ExecutionStatus.Running), Stopping = TerminationReason.TimedOut, Pauses = pauses });
        }

        await using var second = await OpenAsync();
        var stored = (await second.LoadAsync(ExecutorName, Token)).Executions.Should().ContainSingle().Subject;
        ErgonJson.SerializeRequest(stored.Request).Should().Equal(ErgonJson.SerializeRequest(request));
        stored.Info.Should().BeEquivalentTo(Info(request, ExecutionStatus.Running));
        stored.Stopping.Should().Be(TerminationReason.TimedOut);
        stored.Pauses.Should().Be(pauses);
        stored.Released.Should().BeFalse();
        stored.Result.Should().BeNull();
    }

    [Fact]
    public async Task A_result_is_kept_until_it_is_released()
    {
        var store = await OpenAsync();
        var request = Request("a");
        await store.AppendAsync(ExecutorName, Created("a"));
        await store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(request, ExecutionStatus.Running), Result = Result(request, "out") });
        (await store.LoadAsync(ExecutorName, Token)).Executions.Single().Result!.Stdout.Text.Should().Be("out");

        await store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(request, ExecutionStatus.Failed) });
        (await store.LoadAsync(ExecutorName, Token)).Executions.Single().Result.Should().BeNull("it is read only when it is asked for");
        (await store.LoadResultAsync(ExecutorName, request.ExecutionId, Token)).ExitCode.Should().Be(3);

        await store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(request, ExecutionStatus.Failed), Released = true });
        (await store.LoadAsync(ExecutorName, Token)).Executions.Single().Released.Should().BeTrue();
        await StorageFails(() => store.LoadResultAsync(ExecutorName, request.ExecutionId, Token).AsTask());
    }

    [Fact]
    public async Task A_removed_execution_is_gone_and_its_id_can_be_used_again()
    {
        var store = await OpenAsync();
        await store.AppendAsync(ExecutorName, Created("a"));
        await store.AppendAsync(ExecutorName, new ExecutionChange { Info = Info(Request("a")), Removed = true });
        (await store.LoadAsync(ExecutorName, Token)).Executions.Should().BeEmpty();
        await store.AppendAsync(ExecutorName, Created("a"));
        (await store.LoadAsync(ExecutorName, Token)).Executions.Should().ContainSingle();
    }

    [Fact]
    public async Task Executors_share_a_database_and_see_their_own_only()
    {
        var store = await OpenAsync();
        foreach (var executor in new[] { "one", "two" })
        {
            var change = Created("same");
            await store.AppendAsync(executor, change with { Event = Event(executor == "one" ? 5 : 9, change.Info) });
        }

        (await store.LoadAsync("one", Token)).Executions.Should().ContainSingle();
        (await store.GetLastSequenceAsync("one", Token)).Should().Be(5);
        (await store.GetLastSequenceAsync("two", Token)).Should().Be(9);
        (await store.GetLastSequenceAsync("three", Token)).Should().Be(0);
        await store.AppendAsync("one", new ExecutionChange { Info = Info(Request("same")), Removed = true });
        (await store.LoadAsync("one", Token)).Executions.Should().BeEmpty();
        (await store.LoadAsync("two", Token)).Executions.Should().ContainSingle();
    }

    [Fact]
    public async Task Changes_that_wait_at_one_time_are_committed_together_and_in_order()
    {
        var store = await OpenAsync();
        var before = store.Commits;
        var all = Enumerable.Range(1, 2000).Select(i =>
        {
            var change = Created($"e{i}");
            return store.AppendAsync(ExecutorName, change with { Event = Event(i, change.Info) }).AsTask();
        }).ToList();
        await Task.WhenAll(all);
        (store.Commits - before).Should().BeLessThan(200);
        (await store.LoadAsync(ExecutorName, Token)).Executions.Select(e => e.Request.ExecutionId.Value).Should().Equal(Enumerable.Range(1, 2000).Select(i => $"e{i}"));
    }

    [Fact]
    public async Task One_change_that_cannot_be_stored_does_not_fail_those_that_wait_with_it()
    {
        var store = await OpenAsync();
        await store.AppendAsync(ExecutorName, Created("twice"));
        var all = Enumerable.Range(0, 50).Select(i => store.AppendAsync(ExecutorName, Created(i == 25 ? "twice" : $"e{i}")).AsTask()).ToList();
        await StorageFails(() => all[25]);
        await Task.WhenAll(all.Where((_, i) => i != 25));
        (await store.LoadAsync(ExecutorName, Token)).Executions.Should().HaveCount(50);
    }

    [Fact]
    public async Task Old_events_are_given_up_and_who_asks_for_them_is_told()
    {
        var store = await OpenAsync(o => o with { MaxEvents = 500 });
        var info = Info(Request("a"));
        await store.AppendAsync(ExecutorName, Created("a"));
        await Task.WhenAll(Enumerable.Range(1, 2300).Select(i => store.AppendAsync(ExecutorName, new ExecutionChange { Info = info, Event = Event(i, info) }).AsTask()));
        var error = await Assert.ThrowsAsync<ExecutorException>(() => store.ReadEventsAsync(ExecutorName, 10, Token).AsTask());
        error.Code.Should().Be(ErrorCode.InvalidRequest);
        error.Message.Should().Contain("1500");
        List<long> read = [];
        while (await store.ReadEventsAsync(ExecutorName, read.Count == 0 ? 1500 : read[^1], Token) is { Count: > 0 } page) read.AddRange(page.Select(e => e.Sequence));
        read.Should().Equal(Enumerable.Range(1501, 800).Select(i => (long)i));
        (await store.GetLastSequenceAsync(ExecutorName, Token)).Should().Be(2300);
    }

    [Fact]
    public async Task The_database_belongs_to_one_process_and_one_user()
    {
        await OpenAsync();
        (await StorageFails(() => OpenAsync())).Message.Should().Contain(File).And.Contain("other process");
        if (OperatingSystem.IsWindows()) return;
        foreach (var file in Directory.GetFiles(Data))
            System.IO.File.GetUnixFileMode(file).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite, "{0}", file);
    }
}
