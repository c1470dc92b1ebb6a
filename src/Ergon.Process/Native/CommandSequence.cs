using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Linux;

namespace Ergon.Process.Native;

/// <summary>Runs the provision scripts of an execution, one after the other, and then its command.</summary>
[SupportedOSPlatform("linux")]
internal sealed class CommandSequence(NativeParts parts)
{
    private string? _failedScript;

    /// <summary>Starts the first script or, without scripts, the command.</summary>
    public Task<LaunchedCommand> StartFirstAsync() => StartAsync(0);

    /// <summary>Goes through the sequence until its end or the first script that fails.</summary>
    /// <param name="current">The one that has been started.</param>
    /// <param name="index">Which one that is.</param>
    /// <param name="change">Starts each further command by the function that it is given.</param>
    public async Task<DriverExit> RunAsync(LaunchedCommand current, int index, Func<Func<Task<LaunchedCommand>>, Task<LaunchedCommand>> change)
    {
        while (true)
        {
            var exit = await WaitAsync(current);
            if (index == parts.Scripts.Count) return exit;
            if (exit is not { ExitCode: 0, Lost: false })
            {
                _failedScript = parts.Scripts[index].Name;
                return exit;
            }

            var next = ++index;
            current = await change(() => StartAsync(next));
        }
    }

    /// <summary>Says which script failed, how, and what was written last.</summary>
    /// <param name="exit">How the last process ended.</param>
    /// <param name="readTail">Waits for the end of the output; every process is dead.</param>
    public async Task<DriverExit> DescribeAsync(DriverExit exit, Func<Task<string>> readTail)
    {
        if (_failedScript is null) return exit;
        var how = exit switch
        {
            { Signal: { } signal } => $"was ended by {signal}",
            { Message: { } message } => $"could not be run: {message}",
            _ => $"failed with exit code {exit.ExitCode}",
        };
        CloseWriters();
        var output = await readTail() is { Length: > 0 } text ? $" Its output ended with:\n{text}" : "";
        return exit with { Message = $"The provision script '{_failedScript}' {how}.{output}" };
    }

    private async Task<LaunchedCommand> StartAsync(int index)
    {
        using var nullDevice = Descriptors.Open("/dev/null", Libc.ReadWrite);
        int[] streams = [Descriptors.Number(nullDevice), parts.Stdout.WriteDescriptor, parts.Stderr.WriteDescriptor];
        if (index < parts.Scripts.Count) return Noted(await parts.Launcher.StartKeptAsync(parts.Scripts[index].Command, streams));
        try
        {
            return Noted(await parts.Launcher.StartKeptAsync(parts.Command, streams));
        }
        catch (ExecutorException e) when (index > 0)
        {
            // The job has begun with its scripts: from there on a command that cannot be started is its result.
            return Noted(new LaunchedCommand(null, JobLauncher.NotExecutable, e.Message));
        }
        finally
        {
            CloseWriters();
        }
    }

    /// <summary>Nothing more will be started that writes.</summary>
    public void CloseWriters()
    {
        parts.Stdout.CloseWriter();
        parts.Stderr.CloseWriter();
    }

    // What ran the kernel knows; what could not be run only we do.
    private LaunchedCommand Noted(LaunchedCommand command)
    {
        if (command.Process is null && parts.Context.Outlives) RefusedCommand.Save(parts.Context.WorkDirectory, command);
        return command;
    }

    private static async Task<DriverExit> WaitAsync(LaunchedCommand command)
    {
        if (command.Process is not { } process) return new DriverExit { ExitCode = command.ExitCode, Message = command.Message };
        var exit = await process.Exit;
        process.Dispose();
        return exit.IsUnknown
            ? new DriverExit { Lost = true, Message = "Its status was taken by another part of this program, or SIGCHLD is ignored." }
            : new DriverExit { ExitCode = exit.ExitCode, Signal = exit.Signal is { } number ? new Signal(number) : null };
    }
}
