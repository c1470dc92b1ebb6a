using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;
using Microsoft.Win32.SafeHandles;

namespace Ergon.GuestAgent.Job;

/// <summary>
/// The file systems of the job, as the agent sees them: the image, over it what the job writes, beside it the inputs and outputs.
/// </summary>
internal sealed class JobRoot
{
    /// <summary>Where provision scripts appear.</summary>
    public const string ScriptsTarget = "/run/ergon/provision";

    private const string Base = "/ergon";
    private const string Lower = Base + "/lower";
    private const string Writable = Base + "/scratch";
    private const string Scripts = Base + "/provision";
    private const string Texts = Base + "/etc";
    private const uint Everyone = 0x1ff;
    private const uint EveryoneOwn = 0x3ff;
    private const uint Readable = 0x1ed;
    private const MountFlags Harmless = MountFlags.NoSetUid | MountFlags.NoDevices | MountFlags.NoAccessTime;

    private readonly GuestConfiguration _configuration;

    public JobRoot(GuestConfiguration configuration)
    {
        _configuration = configuration;
        Directory.CreateDirectory(Base);
        GuestDisks.Mount(GuestDisks.Find(configuration.Root), Lower, MountFlags.ReadOnly | MountFlags.NoDevices | MountFlags.NoAccessTime);
        MountWritable();
        MountOverlay();
        using (var root = Descriptors.Open(Root, Libc.PathOnly))
            Users = new UserDatabase(RootedPath.ReadText(root, "/etc/passwd") ?? "", RootedPath.ReadText(root, "/etc/group") ?? "");
    }

    /// <summary>The root directory of the job, without what is mounted in it.</summary>
    public static string Root => Base + "/root";

    /// <summary>The users of the image.</summary>
    public UserDatabase Users { get; }

    /// <summary>The directory of an output.</summary>
    public static string Output(int index) => $"{Writable}/outputs/{index}";

    /// <summary>Prepares everything that is to be mounted inside, outermost first.</summary>
    public IReadOnlyList<JobMount> PrepareMounts(UserIdentity user)
    {
        var mounts = new List<JobMount>();
        if (_configuration.ReadOnlyRoot) mounts.Add(Mount(MakeShared(Writable + "/tmp", EveryoneOwn, UserIdentityOfRoot), "/tmp"));
        for (var i = 0; i < _configuration.Outputs.Count; i++) mounts.Add(Mount(MakeShared(Output(i), Everyone, user), _configuration.Outputs[i]));
        for (var i = 0; i < _configuration.Inputs.Count; i++) mounts.Add(PrepareInput(_configuration.Inputs[i], i));
        foreach (var (name, text) in NetworkFiles()) mounts.Add(Mount(WriteText(name, text), "/etc/" + name));
        if (_configuration.Scripts.Count > 0) mounts.Add(Mount(WriteScripts(), ScriptsTarget));
        return [.. mounts.OrderBy(m => m.Target.Count(c => c == '/')).ThenBy(m => m.Target, StringComparer.Ordinal)];
    }

    /// <summary>The arguments of each script: a file without a "#!" line cannot be executed by itself.</summary>
    public IEnumerable<(string Name, IReadOnlyList<string> Arguments)> ScriptCommands() => _configuration.Scripts.Select(
        s => (s.Name, (IReadOnlyList<string>)(s.Content.Span.StartsWith("#!"u8) ? [$"{ScriptsTarget}/{s.Name}"] : ["/bin/sh", $"{ScriptsTarget}/{s.Name}"])));

    /// <summary>Takes away what the job had, inputs apart, when nothing of it runs any more.</summary>
    public static void Unmount()
    {
        foreach (var target in (string[])[Root, Writable, Lower]) Libc.Check(Libc.Unmount(target, 0), $"unmount {target}");
    }

    private static UserIdentity UserIdentityOfRoot { get; } = new(0, 0, []);

    private void MountWritable()
    {
        if (_configuration.Scratch is { } scratch)
        {
            GuestDisks.Mount(GuestDisks.Find(scratch), Writable, MountFlags.NoAccessTime);
            return;
        }

        Directory.CreateDirectory(Writable);
        Libc.Check(Libc.Mount("ergon-scratch", Writable, "tmpfs", 0, "mode=0755"), "mount a file system in memory");
    }

    private static void MountOverlay()
    {
        foreach (var directory in (string[])[Root, Writable + "/upper", Writable + "/work"]) Directory.CreateDirectory(directory);
        File.SetUnixFileMode(Writable + "/upper", File.GetUnixFileMode(Lower));
        var options = $"lowerdir={Lower},upperdir={Writable}/upper,workdir={Writable}/work";
        var flags = (nuint)(MountFlags.NoDevices | MountFlags.NoAccessTime);
        // Nothing of it outlives the machine: no need to wait for the disk (5.10).
        if (Libc.Mount("ergon-root", Root, "overlay", flags, options + ",volatile") < 0)
            Libc.Check(Libc.Mount("ergon-root", Root, "overlay", flags, options), "mount the overlay over the root image");
    }

    private static string MakeShared(string directory, uint mode, UserIdentity owner)
    {
        Directory.CreateDirectory(directory);
        Libc.Check(Libc.ChangeOwner(directory, owner.Uid, owner.Gid), $"give {directory} to user {owner.Uid}");
        Libc.Check(Libc.ChangeMode(directory, mode), $"change the mode of {directory}");
        return directory;
    }

    private static JobMount PrepareInput(GuestInput input, int index)
    {
        var directory = $"{Base}/inputs/{index}";
        GuestDisks.Mount(GuestDisks.Find(input.Disk), directory, MountFlags.ReadOnly | Harmless);
        return input.FileName.Length == 0 ? Mount(directory, input.Target) : Mount($"{directory}/{input.FileName}", input.Target);
    }

    private IEnumerable<(string Name, string Text)> NetworkFiles()
    {
        var name = _configuration.Hostname;
        yield return ("hostname", name + "\n");
        yield return ("hosts", string.Concat(
            ((string[])["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback", $"{_configuration.Network?.Address ?? "127.0.0.1"} {name}", .. _configuration.Hosts])
            .Select(line => line + "\n")));
        yield return ("resolv.conf", string.Concat(_configuration.NameServers.Select(server => $"nameserver {server}\n")));
    }

    private static string WriteText(string name, string text)
    {
        Directory.CreateDirectory(Texts);
        RemoveLink(name);
        File.WriteAllText($"{Texts}/{name}", text);
        return $"{Texts}/{name}";
    }

    // An image's link into a directory that is not there, such as that of a resolver service, cannot be mounted on.
    private static void RemoveLink(string name)
    {
        using var root = Descriptors.Open(Root, Libc.PathOnly);
        try
        {
            using var directory = RootedPath.Open(root, "/etc", Libc.PathOnly);
            var path = $"/proc/self/fd/{Descriptors.Number(directory)}/{name}";
            if (new FileInfo(path).LinkTarget is not null) File.Delete(path);
        }
        catch (LinuxException)
        {
            // There is no /etc yet.
        }
    }

    private string WriteScripts()
    {
        Directory.CreateDirectory(Scripts);
        foreach (var script in _configuration.Scripts)
        {
            var file = $"{Scripts}/{script.Name}";
            File.WriteAllBytes(file, script.Content.Span);
            Libc.Check(Libc.ChangeMode(file, Readable), $"change the mode of {file}");
        }

        return Scripts;
    }

    private static JobMount Mount(string source, string target) => new(DetachedMount.Of(source), source, target, Directory.Exists(source));
}

/// <summary>A mount that is put in its place inside the job's file system.</summary>
internal sealed record JobMount(SafeFileHandle Handle, string Source, string Target, bool IsDirectory);
