using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Linux;

namespace Ergon.Process.Native;

/// <summary>Runs the provision scripts of an execution, one after the other, and then its command.</summary>
[SupportedOSPlatform("linux")]
internal sealed class CommandSequence(NativeParts parts, OutputPipe stdout, OutputPipe stderr)
{
    private string? _failedScript;

    /// <summary>Starts the first script or, without scripts, the command.</summary>
    public Task<LaunchedCommand> StartFirstAsync() => StartAsync(0);

    /// <summary>Goes through the sequence until its end or the first script that fails.</summary>
    /// <param name="first">The one that has been started.</param>
    /// <param name="change">Starts each further command by the function that it is given.</param>
    public async Task<DriverExit> RunAsync(LaunchedCommand first, Func<Func<Task<LaunchedCommand>>, Task<LaunchedCommand>> change)
    {
        var current = first;
        for (var i = 0; ; i++)
        {
            var next = i;
            if (i > 0) current = await change(() => StartAsync(next));
            var exit = await WaitAsync(current);
            if (i == parts.Scripts.Count) return exit;
            if (exit is { ExitCode: 0, Lost: false }) continue;
            _failedScript = parts.Scripts[i].Name;
            return exit;
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
        stdout.CloseWriter();
        stderr.CloseWriter();
        var output = await readTail() is { Length: > 0 } text ? $" Its output ended with:\n{text}" : "";
        return exit with { Message = $"The provision script '{_failedScript}' {how}.{output}" };
    }

    private async Task<LaunchedCommand> StartAsync(int index)
    {
        using var nullDevice = Descriptors.Open("/dev/null", Libc.ReadWrite);
        int[] streams = [Descriptors.Number(nullDevice), stdout.WriteDescriptor, stderr.WriteDescriptor];
        if (index < parts.Scripts.Count) return await parts.Launcher.StartAsync(parts.Scripts[index].Command, streams);
        try
        {
            return await parts.Launcher.StartAsync(parts.Command, streams);
        }
        catch (ExecutorException e) when (index > 0)
        {
            // The job has begun with its scripts: from there on a command that cannot be started is its result.
            return new LaunchedCommand(null, JobLauncher.NotExecutable, e.Message);
        }
        finally
        {
            stdout.CloseWriter();
            stderr.CloseWriter();
        }
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
