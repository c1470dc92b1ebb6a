using System.Collections;
using System.CommandLine;
using System.Runtime.InteropServices;
using Ergon.Client;
using Ergon.Daemon;
using Ergon.Daemon.Telemetry;
using Microsoft.Extensions.Logging;

namespace Ergon.Cli;

/// <summary><c>ergon serve</c>: the daemon.</summary>
internal static class ServeCommand
{
    private static readonly Option<string?> Config = new("--config") { Description = "Settings, as JSON; variables and flags win over them ($ERGON_DAEMON_CONFIG).", HelpName = "FILE" };
    private static readonly Option<string[]> Set = new("--set") { Description = "One setting, such as admission.max_queued=100 ($ERGON_DAEMON_ADMISSION__MAX_QUEUED).", HelpName = "NAME=VALUE" };
    private static readonly Option<string?> SocketPath = new("--socket") { Description = $"The Unix socket to listen on ({DaemonAddress.DefaultSocket}).", HelpName = "PATH" };
    private static readonly Option<string?> Data = new("--data") { Description = $"Where records and logs are kept ({DaemonPaths.DataDirectory}).", HelpName = "DIR" };
    private static readonly Option<bool> Check = new("--check") { Description = "Only look at the settings: print those that hold, or everything that is wrong." };
    private static readonly Option<bool> Verbose = new("--verbose") { Description = "Say more." };

    public static Command Create()
    {
        var command = new Command("serve", "Runs the daemon: executions outlive clients, and its own restarts.") { Config, Set, SocketPath, Data, Check, Verbose };
        command.SetAction((parsed, _) => GuardedAsync(parsed));
        return command;
    }

    private static async Task<int> GuardedAsync(ParseResult parsed)
    {
        try
        {
            var settings = SettingsOf(parsed);
            if (!parsed.GetValue(Check)) return await RunAsync(settings, parsed.GetValue(Verbose));
            StandardStream.Output.Write([.. DaemonFile.Of(settings.Read()).Serialize(), (byte)'\n']);
            return 0;
        }
        catch (ExecutorException e)
        {
            var text = e.Problems.Count == 0 ? e.Message : $"The settings cannot be used:{string.Concat(e.Problems.Select(p => $"\n  - {p}"))}";
            await Console.Error.WriteLineAsync($"ergon: {text}");
            return ExitCodes.ErgonFailed;
        }
    }

    private static async Task<int> RunAsync(DaemonSettings settings, bool verbose)
    {
        using var loggers = LoggerFactory.Create(logging => DaemonTelemetry.AddLog(logging
            .SetMinimumLevel(verbose ? LogLevel.Debug : LogLevel.Information)
            .AddFilter("Microsoft", LogLevel.Warning)
            .AddFilter("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error)
            .AddFilter("Grpc", LogLevel.Warning)
            .AddSimpleConsole(console => console.SingleLine = true)));
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        await using var daemon = await ErgonDaemon.StartFromAsync(settings, loggers);
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Reload);
        ServiceNotification.Ready();
        await stop.Task;
        ServiceNotification.Stopping();
        return 0;

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }

        void Reload(PosixSignalContext context)
        {
            context.Cancel = true;
            ServiceNotification.Reloading();
            try
            {
                daemon.Reload();
            }
            catch (ExecutorException)
            {
                // Said in the log: the former settings hold.
            }

            ServiceNotification.Ready();
        }
    }

    private static DaemonSettings SettingsOf(ParseResult parsed) => new()
    {
        File = parsed.GetValue(Config),
        Variables = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(v => (string)v.Key, v => (string?)v.Value ?? ""),
        Set = [.. parsed.GetValue(Set) ?? [], .. Named("socket", parsed.GetValue(SocketPath)), .. Named("data", parsed.GetValue(Data))],
        Defaults = new DaemonOptions { SocketPath = DaemonAddress.DefaultSocket, DataDirectory = DaemonPaths.DataDirectory },
    };

    private static IEnumerable<string> Named(string setting, string? value) => value is null ? [] : [$"{setting}={value}"];
}
