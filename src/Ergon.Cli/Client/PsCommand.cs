using System.CommandLine;
using System.Text.Json;
using Ergon.Client;
using Spectre.Console;

namespace Ergon.Cli.Client;

/// <summary><c>ergon ps</c>: the executions of a daemon.</summary>
internal static class PsCommand
{
    private static readonly Option<bool> All = new("--all", "-a") { Description = "Also those that have ended." };
    private static readonly Option<bool> Quiet = new("--quiet", "-q") { Description = "Only the ids." };
    private static readonly Option<string?> Job = new("--job-id") { Description = "Only of this job.", HelpName = "ID" };
    private static readonly Option<string[]> Status = new("--status") { Description = "Only with this status.", HelpName = "STATUS" };
    private static readonly Option<string[]> Labels = new("--label", "-l") { Description = "Only with this mark.", HelpName = "NAME=VALUE" };

    public static Command Create()
    {
        Status.AcceptOnlyFromAmong("pending", "running", "paused", "success", "failed");
        return ClientCommand.Create("ps", "Lists executions, oldest first.", [All, Quiet, Job, Status, Labels, ClientCommand.Json], RunAsync);
    }

    private static async Task<int> RunAsync(ParseResult parsed, RemoteExecutor executor, CancellationToken cancellationToken)
    {
        var infos = await executor.ListAsync(Filter(parsed), cancellationToken);
        if (parsed.GetValue(ClientCommand.Json)) PrintJson(infos);
        else if (parsed.GetValue(Quiet)) PrintIds(infos);
        else if (Console.IsOutputRedirected) PrintLines(infos);
        else PrintTable(infos);
        return 0;
    }

    private static ListRequest Filter(ParseResult parsed)
    {
        var problems = new RequestProblems();
        var flags = new FlagParser(problems);
        var labels = new Dictionary<string, string>();
        flags.Variables("--label", parsed.GetValue(Labels) ?? [], labels, inherit: false);
        var job = flags.Job("--job-id", parsed.GetValue(Job));
        problems.ThrowIfAny();
        var statuses = (parsed.GetValue(Status) ?? []).Select(s => Enum.Parse<ExecutionStatus>(s, ignoreCase: true)).ToList();
        if (statuses.Count == 0 && !parsed.GetValue(All)) statuses = [ExecutionStatus.Pending, ExecutionStatus.Running, ExecutionStatus.Paused];
        return new ListRequest { JobId = job, Statuses = statuses, Labels = labels };
    }

    private static void PrintJson(IReadOnlyList<ExecutionInfo> infos)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartArray();
            foreach (var info in infos) json.WriteRawValue(ErgonJson.SerializeInfo(info), skipInputValidation: true);
            json.WriteEndArray();
        }

        bytes.WriteByte((byte)'\n');
        StandardStream.Output.Write(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
    }

    private static void PrintIds(IReadOnlyList<ExecutionInfo> infos)
    {
        foreach (var info in infos) Console.WriteLine(info.ExecutionId);
    }

    private static void PrintLines(IReadOnlyList<ExecutionInfo> infos)
    {
        foreach (var info in infos) Console.WriteLine(string.Join('\t', info.ExecutionId, info.JobId, info.Executor, StatusOf(info), Age(info)));
    }

    private static void PrintTable(IReadOnlyList<ExecutionInfo> infos)
    {
        var table = new Table().RoundedBorder().AddColumns("execution", "job", "executor", "status", "age");
        foreach (var info in infos)
            table.AddRow(Markup.Escape(info.ExecutionId.Value), Markup.Escape(info.JobId.Value), Markup.Escape(info.Executor), Colored(info), Age(info));
        AnsiConsole.Write(table);
    }

    private static string Colored(ExecutionInfo info) => info.Status switch
    {
        ExecutionStatus.Success => $"[green]{StatusOf(info)}[/]",
        ExecutionStatus.Failed => $"[red]{Markup.Escape(StatusOf(info))}[/]",
        ExecutionStatus.Running => $"[blue]{StatusOf(info)}[/]",
        _ => StatusOf(info),
    };

    private static string StatusOf(ExecutionInfo info) => info.Status switch
    {
        ExecutionStatus.Failed when info.Reason == TerminationReason.Exited => $"failed ({info.ExitCode})",
        ExecutionStatus.Failed => $"failed ({JsonNamingPolicy.SnakeCaseLower.ConvertName(info.Reason.ToString() ?? "")})",
        _ => JsonNamingPolicy.SnakeCaseLower.ConvertName(info.Status.ToString()),
    };

    private static string Age(ExecutionInfo info)
    {
        var age = TimeProvider.System.GetUtcNow() - info.CreatedAt;
        return age switch
        {
            { TotalDays: >= 1 } => $"{(int)age.TotalDays}d",
            { TotalHours: >= 1 } => $"{(int)age.TotalHours}h",
            { TotalMinutes: >= 1 } => $"{(int)age.TotalMinutes}m",
            _ => $"{Math.Max(0, (int)age.TotalSeconds)}s",
        };
    }
}
