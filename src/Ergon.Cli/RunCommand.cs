using System.CommandLine;
using Ergon.Cli.Client;
using Ergon.Client;

namespace Ergon.Cli;

/// <summary><c>ergon run</c>: runs one job, shows its output, and ends as it did.</summary>
internal static class RunCommand
{
    /// <param name="command">The job's command line, as it stands after <c>--</c>.</param>
    public static Command Create(IReadOnlyList<string> command)
    {
        var options = new RunOptions { CommandLine = command };
        var run = new Command(
            "run",
            """
            Runs a job and ends with its exit code. 124: it timed out; 125: ergon itself failed; 126, 127: the command cannot be executed,
            or is not there; 128+n: signal n.

            Examples:
              ergon run -- sh -c 'echo hello'
              ergon run --image busybox --memory 64m --timeout 30s -- sh -c 'echo hello; exit 3'
              ergon run -v ./data:/data:ro -o result:/out --results ./results -- sh -c 'wc -l /data/* > /out/lines'
              ergon run -f job.yaml --json
            """);
        options.AddTo(run);
        run.Options.Add(DaemonChoice.Host);
        run.SetAction((parsed, _) => RunAsync(parsed, options));
        return run;
    }

    private static async Task<int> RunAsync(ParseResult parsed, RunOptions options)
    {
        var (json, quiet) = (parsed.GetValue(options.Json), parsed.GetValue(options.Quiet));
        var talkative = !json && !quiet && !Console.IsErrorRedirected;
        try
        {
            var builder = new RequestBuilder(parsed, options);
            var request = await builder.BuildAsync();
            if (talkative && builder.ExecutorChosen) await Console.Error.WriteLineAsync($"ergon: running with '{request.EngineSpec.Type}'");
            await using IExecutor executor = DaemonChoice.Configured(parsed) is { } daemon ? new RemoteExecutor(daemon) : Executors.Create(request.EngineSpec.Type);
            await using var session = new RunSession(executor, request, json);
            await using var progress = talkative ? PullProgress.Begin(executor, request.ExecutionId) : null;
            var code = await session.RunAsync(started: progress is null ? null : progress.DisposeAsync);
            if (!quiet && !json && session.Result is { } result) await ExplainAsync(result, request, builder.ResultsDirChosen);
            return code;
        }
        catch (ExecutorException e)
        {
            await Console.Error.WriteLineAsync($"ergon: {e.Message}");
            return ExitCodes.ErgonFailed;
        }
    }

    // What the exit code and the job's own output do not say. It is told also in a log file, which nobody can ask.
    private static async Task ExplainAsync(ExecutionResult result, ExecutionRequest request, bool resultsDirChosen)
    {
        if (result.Error is { } error && result.Reason != TerminationReason.Cancelled) await Console.Error.WriteLineAsync($"ergon: {error}");
        var kept = request.LogLimits.MaxBytesPerStream;
        if (result.Stdout.TotalBytes > kept || result.Stderr.TotalBytes > kept)
            await Console.Error.WriteLineAsync($"ergon: Of each stream only the first {ByteSize.Format(kept)} were kept and shown (log_limits.max_bytes_per_stream).");
        if (resultsDirChosen) await Console.Error.WriteLineAsync($"ergon: The outputs are in {request.ResultsDir}.");
    }
}
