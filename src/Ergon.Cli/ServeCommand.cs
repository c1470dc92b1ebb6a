using System.CommandLine;
using System.Runtime.InteropServices;
using Ergon.Client;
using Ergon.Daemon;
using Microsoft.Extensions.Logging;

namespace Ergon.Cli;

/// <summary><c>ergon serve</c>: the daemon.</summary>
internal static class ServeCommand
{
    private static readonly Option<string?> Config = new("--config") { Description = "Settings, as JSON; flags win over them.", HelpName = "FILE" };
    private static readonly Option<string?> SocketPath = new("--socket") { Description = $"The Unix socket to listen on ({DaemonAddress.DefaultSocket}).", HelpName = "PATH" };
    private static readonly Option<string?> Data = new("--data") { Description = $"Where records and logs are kept ({DaemonPaths.DataDirectory}).", HelpName = "DIR" };
    private static readonly Option<bool> Verbose = new("--verbose") { Description = "Say more." };

    public static Command Create()
    {
        var command = new Command("serve", "Runs the daemon: executions outlive clients, and its own restarts.") { Config, SocketPath, Data, Verbose };
        command.SetAction((parsed, _) => RunAsync(parsed));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed)
    {
        using var loggers = LoggerFactory.Create(logging => logging
            .SetMinimumLevel(parsed.GetValue(Verbose) ? LogLevel.Debug : LogLevel.Information)
            .AddFilter("Microsoft", LogLevel.Warning)
            .AddFilter("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error)
            .AddFilter("Grpc", LogLevel.Warning)
            .AddSimpleConsole(console => console.SingleLine = true));
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        try
        {
            await using var daemon = await ErgonDaemon.StartAsync(Options(parsed), loggers);
            ServiceNotification.Ready();
            await stop.Task;
            ServiceNotification.Stopping();
            return 0;
        }
        catch (ExecutorException e)
        {
            await Console.Error.WriteLineAsync($"ergon: {e.Message}");
            return ExitCodes.ErgonFailed;
        }

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }
    }

    private static DaemonOptions Options(ParseResult parsed)
    {
        var options = new DaemonOptions { SocketPath = DaemonAddress.DefaultSocket, DataDirectory = DaemonPaths.DataDirectory };
        if (parsed.GetValue(Config) is { } file) options = DaemonFile.Read(file).ApplyTo(options);
        return options with
        {
            SocketPath = parsed.GetValue(SocketPath) ?? options.SocketPath,
            DataDirectory = parsed.GetValue(Data) ?? options.DataDirectory,
        };
    }
}
