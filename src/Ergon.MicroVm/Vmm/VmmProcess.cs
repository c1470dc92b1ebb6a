using System.Globalization;
using System.Text;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Vmm;

/// <summary>What to start a VMM with.</summary>
internal sealed record VmmCommand
{
    public required string Program { get; init; }

    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The user that the process becomes; <see langword="null"/>: it stays ours.</summary>
    public UserIdentity? User { get; init; }

    /// <summary>Who owns what it opens, when it becomes another user by itself.</summary>
    public UserIdentity? Owner { get; init; }

    /// <summary>Another name for the FIFO that takes what it has to complain about, where it finds it.</summary>
    public string? ErrorsLink { get; init; }

    /// <summary>Whether it gets a network namespace with nothing in it: it opens no interface of the host by its name.</summary>
    public bool OwnNetwork { get; init; }

    public string WorkingDirectory { get; init; } = "/";

    /// <summary>Devices of the host that the process opens by their paths.</summary>
    public IReadOnlyList<string> Devices { get; init; } = [];

    /// <summary>Descriptors that become 3 and up.</summary>
    public IReadOnlyList<SafeFileHandle> Descriptors { get; init; } = [];
}

/// <summary>
/// The process of a machine. It outlives this one: its console is a FIFO that it holds open itself, and a record beside it tells
/// a later process which one it is.
/// </summary>
internal sealed class VmmProcess : IAsyncDisposable
{
    /// <summary>The FIFO that is the machine's console.</summary>
    public const string ConsoleName = "console";

    /// <summary>The FIFO that takes what the process has to complain about.</summary>
    public const string ErrorsName = "errors";

    private const string Mark = "ERGON_EXECUTION";
    private const string RecordName = "process";
    private const string StoppedName = "stopped";
    private const int MaxErrorBytes = 8 * 1024;
    private const int FirstSafeDescriptor = 256;
    private const int DuplicateCloseOnExec = 1030;
    private const uint OwnerOnly = 0x180; // 0600
    private const int StopSignal = 19;
    private const int ContinueSignal = 18;

    private readonly string _directory;
    private readonly ChildProcess? _child;
    private readonly SafeFileHandle _errors;
    private readonly CancellationTokenSource _released = new();

    private VmmProcess(int id, string directory, ChildProcess? child, KernelEvents events)
    {
        (Id, _directory, _child) = (id, directory, child);
        Console = new ConsoleStream(Linux.Descriptors.Open(Path.Combine(directory, ConsoleName), Libc.ReadOnly | Libc.NonBlocking), events);
        _errors = Linux.Descriptors.Open(Path.Combine(directory, ErrorsName), Libc.ReadOnly | Libc.NonBlocking);
        Ended = WaitAsync(events);
    }

    public int Id { get; }

    public Stream Console { get; }

    public Task<VmmExit> Ended { get; }

    /// <summary>Starts the process.</summary>
    public static async Task<VmmProcess> StartAsync(VmmCommand command, VmPlan plan, KernelEvents events)
    {
        ChildProcess.KeepExitStatus();
        var console = Path.Combine(plan.Directory, ConsoleName);
        Libc.Check(Libc.MakeFifo(console, OwnerOnly), $"make the FIFO {console}");
        // Both ends: a writer without a reader would be ended by SIGPIPE.
        using var output = Linux.Descriptors.Open(console, Libc.ReadWrite);
        using var errors = MakeErrors(plan.Directory, command);
        using var nothing = Linux.Descriptors.Open("/dev/null", Libc.ReadWrite);
        var child = await SpawnAsync(command, plan, [nothing, output, errors, .. command.Descriptors], events);
        try
        {
            plan.Cgroup?.Add(child.Id);
            var record = string.Create(CultureInfo.InvariantCulture, $"{child.Id} {StartTimeOf(child.Id)}");
            await File.WriteAllTextAsync(Path.Combine(plan.Directory, RecordName), record, CancellationToken.None);
            return new VmmProcess(child.Id, plan.Directory, child, events);
        }
        catch
        {
            child.Kill();
            await child.Exit;
            child.Dispose();
            throw;
        }
    }

    /// <summary>Finds the process that a former one started; <see langword="null"/> when it has ended or never was.</summary>
    public static VmmProcess? Attach(string directory, KernelEvents events)
    {
        try
        {
            var record = File.ReadAllText(Path.Combine(directory, RecordName)).Split(' ');
            return record.Length == 2 && int.TryParse(record[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id) &&
                StartTimeOf(id) is { } time && time == record[1]
                ? new VmmProcess(id, directory, null, events)
                : null;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Whether the process was told to stop. It is noted, since on a busy host the process itself shows that it has only a while later.</summary>
    public bool IsStopped => File.Exists(Path.Combine(_directory, StoppedName));

    /// <summary>Stops the process, with all of its threads and whatever it started; it may be stopped already.</summary>
    public void Stop()
    {
        File.WriteAllBytes(Path.Combine(_directory, StoppedName), []);
        SignalGroup(StopSignal);
    }

    /// <summary>Lets the process go on; it need not be stopped.</summary>
    public void GoOn()
    {
        SignalGroup(ContinueSignal);
        File.Delete(Path.Combine(_directory, StoppedName));
    }

    /// <summary>Kills the process, if it is the one that the record in a directory means.</summary>
    public void Kill()
    {
        if (_child is { } child) child.Kill();
        else if (!Ended.IsCompleted) OtherProcess.Signal(Id, Signal.Kill.Number);
    }

    /// <summary>
    /// Kills the machines of an executor, except some: also those that a process which died at the wrong moment had started and not yet
    /// noted anywhere.
    /// </summary>
    /// <param name="executorId">The executor.</param>
    /// <param name="isWanted">Tells from the id of an execution whether its machine is to be killed.</param>
    /// <param name="events">Tells of the end of processes.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task KillMarkedAsync(string executorId, Func<string, bool> isWanted, KernelEvents events, CancellationToken cancellationToken)
    {
        var mark = $"{Mark}={executorId}/";
        foreach (var (id, variable) in ProcessTable.WithVariable(mark))
            if (isWanted(variable[mark.Length..])) await OtherProcess.KillAsync(id, events, cancellationToken);
    }

    // It leads a session, and so a group, of its own.
    private void SignalGroup(int signal)
    {
        if (!Ended.IsCompleted) OtherProcess.Signal(-Id, signal);
    }

    private static async Task<ChildProcess> SpawnAsync(VmmCommand command, VmPlan plan, IReadOnlyList<SafeFileHandle> handles, KernelEvents events)
    {
        var duplicates = new List<SafeFileHandle>();
        try
        {
            // Out of the way of the numbers that they are to become.
            foreach (var handle in handles)
            {
                var number = Libc.Fcntl(Linux.Descriptors.Number(handle), DuplicateCloseOnExec, FirstSafeDescriptor);
                duplicates.Add(new SafeFileHandle((nint)Libc.Check(number, "duplicate a file descriptor"), ownsHandle: true));
            }

            using var script = new LaunchScript();
            script.IsolateDescriptors();
            script.Unshare(Namespaces.FileSystemContext);
            if (command.OwnNetwork && Libc.EffectiveUserId() == 0) script.Unshare(Namespaces.Network);
            if (command.User is { } user) VmmDevices.Give(script, command.Devices, user, plan.Directory);
            script.ForbidNewPrivileges();
            script.ChangeDirectory(command.WorkingDirectory);
            if (command.User is not null) script.BecomeUser(command.User);
            var child = script.NewSlot();
            script.Spawn(
                new SpawnRequest
                {
                    Name = command.Program,
                    Candidates = [command.Program],
                    Arguments = [command.Program, .. command.Arguments],
                    Environment = ["PATH=/usr/bin:/bin", $"{Mark}={plan.Name}"],
                    Streams = [.. duplicates.Select(d => Linux.Descriptors.Number(d))],
                },
                child);
            var outcome = await script.RunAsync(events);
            return outcome.Succeeded ? ChildProcess.Adopt((int)script.Result(child), events) : throw outcome.ToException();
        }
        finally
        {
            foreach (var duplicate in duplicates) duplicate.Dispose();
        }
    }

    private async Task<VmmExit> WaitAsync(KernelEvents events)
    {
        if (_child is not { } child)
        {
            await OtherProcess.WaitForEndAsync(Id, events, _released.Token);
            return new VmmExit(null, null, ReadErrors());
        }

        var exit = await child.Exit;
        child.Dispose();
        return new VmmExit(exit.ExitCode, exit.Signal, ReadErrors());
    }

    // A FIFO that takes what fits into its buffer and drops the rest: a guest that makes its VMM complain without end fills no disk. The
    // process may open it again by its own path to it.
    private static SafeFileHandle MakeErrors(string directory, VmmCommand command)
    {
        var path = Path.Combine(directory, ErrorsName);
        Libc.Check(Libc.MakeFifo(path, OwnerOnly), $"make the FIFO {path}");
        if ((command.User ?? command.Owner) is { } user) Libc.Check(Libc.ChangeOwner(path, user.Uid, user.Gid), $"give {path} to user {user.Uid}");
        if (command.ErrorsLink is { } link) Libc.Check(Libc.Link(path, link), $"link {path} to {link}");
        return Linux.Descriptors.Open(path, Libc.ReadWrite | Libc.NonBlocking);
    }

    private unsafe string ReadErrors()
    {
        var tail = new Queue<byte>();
        Span<byte> buffer = stackalloc byte[4096];
        while (true)
        {
            nint count;
            fixed (byte* start = buffer) count = _errors.IsClosed ? 0 : Libc.Read(Linux.Descriptors.Number(_errors), start, buffer.Length);
            if (count <= 0) return Encoding.UTF8.GetString([.. tail.TakeLast(MaxErrorBytes)]).Trim();
            foreach (var b in buffer[..(int)count]) tail.Enqueue(b);
        }
    }

    // The 22nd field of its stat file (proc_pid_stat(5)): no two processes with one number have the same.
    private static string? StartTimeOf(int id)
    {
        var text = CgroupText.Read($"/proc/{id}/stat");
        var fields = text?[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields is { Length: > 19 } && fields[0] is not ("Z" or "X") ? fields[19] : null;
    }

    public async ValueTask DisposeAsync()
    {
        await _released.CancelAsync();
        await Console.DisposeAsync();
        _errors.Dispose();
    }
}
