using Ergon.Linux;
using Ergon.Process.Native;

namespace Ergon.GuestAgent.Job;

/// <summary>A command that was started, or why it could not be run.</summary>
internal sealed record LaunchedCommand(ChildProcess? Process, int ExitCode, string? Message);

/// <summary>Starts commands as the job: in its namespaces and its cgroup, as its user, with what it may do and no more.</summary>
internal sealed class GuestLauncher(KernelEvents events, JobNamespaces namespaces, string cgroupDirectory, UserIdentity user, ulong capabilities)
{
    /// <summary>The exit code of a command that is there and cannot be run.</summary>
    public const int NotExecutable = 126;

    private const int NotFound = 127;
    private const int SoftDescriptors = 1024;
    private const int HardDescriptors = 512 * 1024;

    public UserIdentity User => user;

    /// <summary>Starts a command. That it does not exist is no error.</summary>
    /// <param name="command">The command.</param>
    /// <param name="streams">The descriptors that become its 0, 1 and 2.</param>
    /// <param name="terminal">Its terminal, instead of the streams.</param>
    /// <exception cref="RequestException">Its working directory cannot be entered.</exception>
    public LaunchedCommand Start(JobCommand command, IReadOnlyList<int> streams, string? terminal = null)
    {
        using var script = new LaunchScript();
        script.CloseDescriptorsOnExec();
        script.WriteFile("/proc/self/oom_score_adj", "0");
        script.WriteFile(cgroupDirectory + "/cgroup.procs", "0");
        script.LimitDescriptors(SoftDescriptors, HardDescriptors);
        namespaces.Enter(script);
        script.LeadSession();
        if (terminal is null) script.SetStreams(streams);
        else script.SetTerminal(terminal);
        script.ForbidNewPrivileges();
        script.BecomeUser(user, capabilities);
        script.SetFileModeMask(0x12); // 022
        var directory = script.Count;
        script.ChangeDirectory(command.WorkingDirectory);
        var execute = script.Execute(command.Arguments[0], command.Candidates, command.Arguments, command.Variables);
        var forked = namespaces.Fork(script);
        var process = ChildProcess.Adopt(forked.Id, events);
        if (forked.Outcome.Succeeded) return new LaunchedCommand(process, 0, null);
        _ = CollectAsync(process);
        if (forked.Outcome.FailedStep == execute) return Refused(command, forked.Outcome.Errno);
        throw forked.Outcome.FailedStep == directory ? NoDirectory(command, forked.Outcome.Errno) : forked.Outcome.ToException();
    }

    private static async Task CollectAsync(ChildProcess process)
    {
        await process.Exit;
        process.Dispose();
    }

    private static LaunchedCommand Refused(JobCommand command, int errno)
    {
        var name = command.Arguments[0];
        if (errno is Errno.NoEntry or Errno.NotADirectory)
        {
            var where = name.Contains('/') ? "" : $" in {(command.Environment.TryGetValue("PATH", out var path) ? path : JobCommand.DefaultPath)}";
            return new LaunchedCommand(null, NotFound, $"The command '{name}' was not found{where}.");
        }

        if (errno is Errno.TryAgain or Errno.NoMemory) throw new LinuxException($"start {name}", errno);
        return new LaunchedCommand(null, NotExecutable, $"The command '{name}' cannot be executed: {Errno.Describe(errno)}.");
    }

    private static RequestException NoDirectory(JobCommand command, int errno) => new(
        $"engine_spec.params.working_directory: {command.WorkingDirectory} cannot be entered by the job's user: {Errno.Describe(errno)}. " +
        "Name a directory that the user may enter, or leave it out.");
}

/// <summary>What was asked for is wrong; the message says what to change.</summary>
internal sealed class RequestException(string message) : Exception(message);
