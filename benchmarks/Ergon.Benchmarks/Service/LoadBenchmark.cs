using System.Collections.Concurrent;
using System.Diagnostics;
using Ergon.Client;

namespace Ergon.Benchmarks.Service;

/// <summary>Very many executions through one daemon: is one lost, how long does what take meanwhile, and what does the daemon need.</summary>
internal static class LoadBenchmark
{
    private const int AtOneTime = 64;
    private const int Followers = 1000;
    private static readonly TimeSpan BetweenLists = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(30);

    /// <summary>The same number of containers, without followers: the Docker Engine is what takes the time.</summary>
    public static async Task<string> RunContainersAsync(int executions)
    {
        await using var daemon = await ServedDaemon.StartAsync(file => file with { Executors = ["docker"], PersistLogs = TimeSpan.FromHours(24) });
        await using var client = daemon.Connect("docker");
        return await LoadAsync(daemon, client, Jobs.InContainer, executions);
    }

    public static async Task<string> RunAsync(int executions)
    {
        await using var daemon = await ServedDaemon.StartAsync(file => file with { Executors = ["process"], PersistLogs = TimeSpan.FromHours(24) });
        await using var client = daemon.Connect();
        var atRest = daemon.ResidentMiB;
        var load = await LoadAsync(daemon, client, Jobs.Of, executions);
        var idle = await IdleAsync(daemon);
        var retained = $"\nMemory of the daemon: {atRest:0} MiB at its start, {daemon.ResidentMiB:0} MiB with {executions} executions retained "
            + $"({daemon.AnonymousMiB:0} MiB of it anonymous); disk {daemon.DiskMiB:0} MiB; idle: {idle.TotalMilliseconds:0} ms of processor time in {IdleTime.TotalSeconds:0} s.\n";
        return load + retained + await FollowAsync(daemon);
    }

    private static async Task<string> LoadAsync(ServedDaemon daemon, RemoteExecutor client, Func<string[], ExecutionRequest> job, int executions)
    {
        var (starts, events, lists) = (new ConcurrentBag<double>(), new ConcurrentBag<double>(), new ConcurrentBag<double>());
        var concluded = 0;
        using var end = new CancellationTokenSource();
        var watch = Task.Run(async () =>
        {
            await foreach (var told in client.WatchAsync(new WatchRequest { After = 0 }, end.Token))
            {
                events.Add((DateTimeOffset.UtcNow - told.Timestamp).TotalMilliseconds);
                if (told.Type == ExecutionEventType.Concluded && ++concluded == executions) return;
            }
        });
        var list = ListAgainAndAgainAsync(daemon, client.Name, lists, end.Token);
        var begun = Stopwatch.GetTimestamp();
        var cpu = daemon.CpuTime;
        await Parallel.ForEachAsync(Enumerable.Range(0, executions), new ParallelOptions { MaxDegreeOfParallelism = AtOneTime }, async (i, token) =>
        {
            var request = job(["sh", "-c", $"echo {i}; exit {i % 7}"]);
            var started = Stopwatch.GetTimestamp();
            await client.StartAsync(request, token);
            starts.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            var result = await client.WaitAsync(request.ExecutionId, token);
            if (result.ExitCode != i % 7 || result.Stdout.Text != $"{i}\n") throw new InvalidOperationException($"Execution {i} came to {result.Reason} {result.ExitCode}: {result.Error}");
        });
        var took = Stopwatch.GetElapsedTime(begun);
        await watch.WaitAsync(TimeSpan.FromSeconds(30));
        var known = (await client.ListAsync()).Count(i => i.IsTerminal);
        await end.CancelAsync();
        await list.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return TimesTable.Of(
                $"{executions} executions through one daemon, {AtOneTime} at a time, milliseconds",
                [("Start", [.. starts]), ("an event, from the time it carries until a watcher has it", [.. events]), ("a list of all executions", [.. lists])])
            + $"\n{executions / took.TotalSeconds:0.0} executions a second, {(daemon.CpuTime - cpu).TotalMilliseconds / executions:0.0} ms of the daemon's processor time each; "
            + $"{concluded} concluded, {executions - known} lost.\n";
    }

    private static async Task ListAgainAndAgainAsync(ServedDaemon daemon, string executor, ConcurrentBag<double> lists, CancellationToken end)
    {
        await using var client = daemon.Connect(executor);
        while (!end.IsCancellationRequested)
        {
            var begun = Stopwatch.GetTimestamp();
            await client.ListAsync(cancellationToken: end);
            lists.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            await Task.Delay(BetweenLists, end);
        }
    }

    private static async Task<TimeSpan> IdleAsync(ServedDaemon daemon)
    {
        // What the load has begun comes to its end first.
        await Task.Delay(IdleTime);
        var before = daemon.CpuTime;
        await Task.Delay(IdleTime);
        return daemon.CpuTime - before;
    }

    private static async Task<string> FollowAsync(ServedDaemon daemon)
    {
        const int lines = 200;
        await using var client = daemon.Connect();
        var request = Jobs.Of("sh", "-c", $"i=0; while [ $i -lt {lines} ]; do date +%s%N; i=$((i+1)); sleep 0.05; done");
        var delays = new ConcurrentBag<double>();
        await client.StartAsync(request);
        var before = daemon.ResidentMiB;
        var peak = before;
        var counts = await Task.WhenAll(Enumerable.Range(0, Followers).Select(async _ =>
        {
            var bytes = 0L;
            await foreach (var entry in client.GetLogStreamAsync(new LogStreamRequest { ExecutionId = request.ExecutionId, Follow = true, Cursor = null }))
            {
                delays.Add((DateTimeOffset.UtcNow - entry.Timestamp).TotalMilliseconds);
                if (bytes == 0) peak = Math.Max(peak, daemon.ResidentMiB);
                bytes += entry.Data.Length;
            }

            return bytes;
        }));
        var whole = (await client.WaitAsync(request.ExecutionId)).Stdout.TotalBytes;
        return TimesTable.Of($"{Followers} followers of one execution, milliseconds", [("an entry, from the time it was written until a follower has it", [.. delays])])
            + $"\n{counts.Count(c => c == whole)} of {Followers} have read every byte; the daemon's memory went from {before:0} to {peak:0} MiB.\n";
    }
}
