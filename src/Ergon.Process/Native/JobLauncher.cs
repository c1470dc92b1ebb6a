using System.Runtime.Versioning;
using Ergon.Linux;
using Ergon.Process.Sandboxing;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Process.Native;

/// <summary>A command that was started, or why it could not be run.</summary>
[SupportedOSPlatform("linux")]
internal sealed record LaunchedCommand(ChildProcess? Process, int ExitCode, string? Message);

/// <summary>Starts the commands of one execution with everything that shuts them in.</summary>
[SupportedOSPlatform("linux")]
internal sealed class JobLauncher
{
    /// <summary>The exit code of a command that is there and cannot be run.</summary>
    public const int NotExecutable = 126;

    private const int NotFound = 127;

    public required KernelEvents Events { get; init; }

    /// <summary>The sandbox to start in; <see langword="null"/>: none can be had here.</summary>
    public Sandbox? Sandbox { get; init; }

    public Cgroup? Cgroup { get; init; }

    /// <summary>The user to become; <see langword="null"/>: stay who we are.</summary>
    public UserIdentity? User { get; init; }

    /// <summary>Limits each new process where no cgroup does.</summary>
    public ProcessLimits? Limits { get; init; }

    /// <summary>A private directory for the launcher's own files.</summary>
    public required string Directory { get; init; }

    /// <summary>
    /// Starts one of the commands that the execution is made of; one at a time. In a sandbox it becomes a child of the keeper, so that how
    /// it ended can be known after this process. That it does not exist is no error.
    /// </summary>
    /// <param name="command">The command.</param>
    /// <param name="streams">The descriptors that become its 0, 1 and 2.</param>
    public Task<LaunchedCommand> StartKeptAsync(JobCommand command, IReadOnlyList<int> streams) =>
        StartAsync(command, streams, null, kept: Sandbox is not null);

    /// <summary>Starts a further command, as a child of this process. That it does not exist is no error.</summary>
    /// <param name="command">The command.</param>
    /// <param name="streams">The descriptors that become its 0, 1 and 2.</param>
    /// <param name="terminal">Its terminal, instead of the streams.</param>
    public Task<LaunchedCommand> StartAsync(JobCommand command, IReadOnlyList<int> streams, string? terminal = null) =>
        StartAsync(command, streams, terminal, kept: false);

    private async Task<LaunchedCommand> StartAsync(JobCommand command, IReadOnlyList<int> streams, string? terminal, bool kept)
    {
        var handles = new List<SafeFileHandle>();
        try
        {
            using var script = new LaunchScript();
            using var gate = Cgroup?.NeedsGate == true || Limits is not null ? SpawnGate.Create(Directory) : null;
            EnterSandbox(script, handles, kept);
            JoinCgroup(script, handles);
            if (kept) GoOnInside(script, handles);
            var directory = BecomeJob(script, command, kept);
            var child = script.NewSlot();
            var spawn = script.Spawn(
                new SpawnRequest
                {
                    Name = command.Arguments[0],
                    Candidates = command.Candidates,
                    Arguments = command.Arguments,
                    Environment = command.Variables,
                    Streams = streams,
                    Terminal = terminal,
                    Gate = gate,
                },
                child);
            LeaveCgroup(script, handles);
            var outcome = gate is null ? await script.RunAsync(Events) : await RunAtGateAsync(gate, script, child, kept);
            if (outcome.Succeeded) return new LaunchedCommand(Take(script, child, kept) ?? throw Vanished(command), 0, null);
            if (outcome.FailedStep == spawn) return Refused(command, outcome.Errno);
            throw outcome.FailedStep == directory ? NoDirectory(command, outcome.Errno) : outcome.ToException();
        }
        finally
        {
            foreach (var handle in handles) handle.Dispose();
        }
    }

    // Inside, the process has another number than here: it is the keeper's new child.
    private ChildProcess? Take(LaunchScript script, ScriptValue child, bool kept)
    {
        if (kept) return Sandbox!.FindNewCommands() is [.., var command] ? command : null;
        return script.Result(child) is > 0 and var id ? ChildProcess.Adopt((int)id, Events) : null;
    }

    private static LinuxException Vanished(JobCommand command) => new($"start {command.Arguments[0]} in a sandbox that has ended", Errno.NoSuchProcess);

    private async Task<LaunchOutcome> RunAtGateAsync(SpawnGate gate, LaunchScript script, ScriptValue child, bool kept)
    {
        try
        {
            return await gate.RunAsync(script, Events, LimitAsync);
        }
        catch
        {
            using var process = Take(script, child, kept);
            process?.Kill();
            await (process?.Exit ?? Task.CompletedTask);
            throw;
        }
    }

    private void EnterSandbox(LaunchScript script, List<SafeFileHandle> handles, bool asKeeper)
    {
        script.IsolateDescriptors();
        // A directory and a file mode mask of the thread's own; entering a mount namespace requires it as well.
        script.Unshare(Namespaces.FileSystemContext);
        if (Sandbox is null) return;
        foreach (var (handle, kind) in Sandbox.OpenNamespaces(asKeeper))
        {
            handles.Add(handle);
            script.Enter(Descriptors.Number(handle), kind);
        }
    }

    private void GoOnInside(LaunchScript script, List<SafeFileHandle> handles)
    {
        var inside = Sandbox!.OpenProcessNamespace();
        handles.Add(inside);
        script.Divide();
        script.Enter(Descriptors.Number(inside), Namespaces.Process);
    }

    private void JoinCgroup(LaunchScript script, List<SafeFileHandle> handles)
    {
        foreach (var file in Cgroup?.TaskFiles ?? []) script.JoinCgroup(OpenForWriting(file, handles));
    }

    private void LeaveCgroup(LaunchScript script, List<SafeFileHandle> handles)
    {
        script.Finally();
        foreach (var file in Cgroup?.OwnTaskFiles ?? []) script.JoinCgroup(OpenForWriting(file, handles));
    }

    private static int OpenForWriting(string file, List<SafeFileHandle> handles)
    {
        var handle = Descriptors.Open(file, Libc.WriteOnly);
        handles.Add(handle);
        return Descriptors.Number(handle);
    }

    // Returns the number of the step that enters the working directory, as the job's user.
    private int BecomeJob(LaunchScript script, JobCommand command, bool kept)
    {
        script.ForbidNewPrivileges();
        if (User is not null) script.BecomeUser(User);
        if (kept) script.EndWithThread();
        script.SetFileModeMask(0x12); // 022
        var step = script.Count;
        script.ChangeDirectory(command.WorkingDirectory);
        return step;
    }

    private async Task LimitAsync(int processId)
    {
        if (Cgroup?.NeedsGate == true) Cgroup.Add(processId);
        if (Limits is null) return;
        using var script = new LaunchScript();
        if (User is not null) script.BecomeUser(User);
        script.Limit(processId, Limits);
        var outcome = await script.RunAsync(Events);
        if (!outcome.Succeeded) throw outcome.ToException();
    }

    private LaunchedCommand Refused(JobCommand command, int errno)
    {
        var name = command.Arguments[0];
        if (errno is Errno.NoEntry or Errno.NotADirectory)
        {
            var hidden = Sandbox?.Spec.HiddenPaths.FirstOrDefault(h => name.StartsWith(h + "/", StringComparison.Ordinal));
            var hint = hidden is null ? "" : $" {hidden} is hidden inside the sandbox; bring the program as an input.";
            var where = name.Contains('/') ? "" : $" in {(command.Environment.TryGetValue("PATH", out var path) ? path : JobCommand.DefaultPath)}";
            return new LaunchedCommand(null, NotFound, $"The command '{name}' was not found{where}.{hint}");
        }

        if (errno == Errno.NoMemory && Sandbox?.IsDying == true) throw new LinuxException("start a command in a sandbox that has ended", errno);
        if (errno is Errno.TryAgain or Errno.NoMemory) throw new LinuxException($"start {name}", errno);
        return new LaunchedCommand(null, NotExecutable, $"The command '{name}' cannot be executed: {Errno.Describe(errno)}.");
    }

    private static ExecutorException NoDirectory(JobCommand command, int errno) => new(
        ErrorCode.InvalidRequest,
        $"{SpecParameters.Field("working_directory")}: {command.WorkingDirectory} cannot be entered by the job's user: {Errno.Describe(errno)}. " +
        "Name a directory that exists inside the sandbox, such as the target of a volume, or leave it out for /tmp.");
}
