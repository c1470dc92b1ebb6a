using System.Text;
using Ergon.Conformance;

namespace Ergon.Daemon.Tests.Crashing;

/// <summary>What was acknowledged before a kill, held against what is there after it.</summary>
internal sealed class Acknowledged(IExecutor executor, IReadOnlyCollection<string> told, string because)
{
    /// <summary>Every execution that was told is there, ends as its job really ended, and has every line once.</summary>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        var known = await executor.ListAsync(null, cancellationToken);
        foreach (var words in told.Select(a => a.Split(' ')).Where(w => w[0] == "started"))
            if (!told.Contains($"removing {words[1]}")) known.Should().Contain(i => i.ExecutionId.Value == words[1], because);

        CheckStatus(known);
        foreach (var info in known)
        {
            await FinishAsync(info, cancellationToken);
            var result = await executor.WaitAsync(info.ExecutionId, cancellationToken);
            var (reason, exitCode, stdout, stderr) = Truth(info.ExecutionId.Value);
            result.Reason.Should().Be(reason, because);
            result.ExitCode.Should().Be(exitCode, because);
            (await LogAsync(info, OutputStream.Stdout, cancellationToken)).Should().Be(stdout, because);
            (await LogAsync(info, OutputStream.Stderr, cancellationToken)).Should().Be(stderr, because);
            result.Stdout.Text.Should().Be(stdout, because);
            foreach (var one in told.Where(a => a.StartsWith($"concluded {info.ExecutionId} ", StringComparison.Ordinal)))
                one.Should().Be($"concluded {info.ExecutionId} {result.Reason} {result.ExitCode}", because);
        }

        await CheckEventsAsync(cancellationToken);
    }

    // A job whose resumption was asked for may be thawed, whether or not that was told, and may have come to its end while nobody watched.
    private void CheckStatus(IReadOnlyList<ExecutionInfo> known)
    {
        if (told.Contains("paused counting") && !told.Contains("resumed counting"))
        {
            ExecutionStatus[] possible = told.Contains("resuming counting") ? [ExecutionStatus.Paused, ExecutionStatus.Running, ExecutionStatus.Failed] : [ExecutionStatus.Paused];
            possible.Should().Contain(known.Single(i => i.ExecutionId.Value == "counting").Status, because);
        }

        foreach (var concluded in told.Select(a => a.Split(' ')).Where(w => w[0] == "concluded"))
            known.Where(i => i.ExecutionId.Value == concluded[1]).Should().OnlyContain(i => i.IsTerminal, because);
        known.Should().NotContain(i => told.Contains($"removed {i.ExecutionId}"), because);
        known.Should().NotContain(i => i.ExecutionId.Value == "failing", because);
    }

    private async Task<string> LogAsync(ExecutionInfo info, OutputStream stream, CancellationToken cancellationToken) =>
        Encoding.UTF8.GetString(await executor.ReadLogAsync(new() { ExecutionId = info.ExecutionId }, stream, cancellationToken));

    private async Task FinishAsync(ExecutionInfo info, CancellationToken cancellationToken)
    {
        try
        {
            if (info.Status == ExecutionStatus.Paused) await executor.ResumeAsync(info.ExecutionId, cancellationToken);
            if (info.ExecutionId.Value != "stoppable" || info.IsTerminal) return;
            await executor.WaitForOutputAsync(info.ExecutionId, "ready\n", cancellationToken);
            await executor.CancelAsync(info.ExecutionId, cancellationToken);
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.ExecutionAlreadyConcluded)
        {
            // The former process had begun to cancel it, or had resumed it and it came to its end.
        }
    }

    private static (TerminationReason Reason, int ExitCode, string Stdout, string Stderr) Truth(string id)
    {
        if (id == "stoppable") return (TerminationReason.Cancelled, 0, "ready\nstopping\n", "");
        if (!id.StartsWith("load-", StringComparison.Ordinal)) return (TerminationReason.Exited, 7, Lines("out", 20), Lines("err", 20));
        var i = int.Parse(id["load-".Length..]);
        return (TerminationReason.Exited, i % 5, Lines($"out {i}", 10), Lines($"err {i}", 10));
    }

    private static string Lines(string prefix, int count) => string.Concat(Enumerable.Range(0, count).Select(i => $"{prefix} {i}\n"));

    private async Task CheckEventsAsync(CancellationToken cancellationToken)
    {
        List<ExecutionEvent> events = [];
        await using var watch = executor.WatchAsync(new WatchRequest { After = 0 }, cancellationToken).GetAsyncEnumerator(cancellationToken);
        var ended = (await executor.ListAsync(null, cancellationToken)).ToDictionary(i => i.ExecutionId);
        while (ended.Count > 0 && await watch.MoveNextAsync())
        {
            events.Add(watch.Current);
            if (watch.Current.Type == ExecutionEventType.Concluded) ended.Remove(watch.Current.Info.ExecutionId);
        }

        events.Select(e => e.Sequence).Should().BeInAscendingOrder(because).And.OnlyHaveUniqueItems(because);
        foreach (var one in events.GroupBy(e => (e.Info.ExecutionId, e.Info.CreatedAt)))
        {
            one.First().Type.Should().Be(ExecutionEventType.Created, because);
            one.Count(e => e.Type == ExecutionEventType.Concluded).Should().BeLessThan(2, because);
            one.Count(e => e.Type == ExecutionEventType.Started).Should().BeLessThan(2, because);
        }
    }
}
