using System.Runtime.Versioning;
using Ergon.Linux;
using Ergon.Process.Sandboxing;

namespace Ergon.Process.Native;

/// <summary>Works out, from a request, who the job is and what its sandbox looks like.</summary>
[SupportedOSPlatform("linux")]
internal sealed class NativePlan(ProcessOptions options, ExecutionRequest request, ProcessSpec spec, RequestProblems problems)
{
    /// <summary>Where provision scripts appear.</summary>
    public const string ScriptsTarget = "/run/ergon/provision";

    private const string ResolverFile = "/etc/resolv.conf";

    /// <summary>What is wrong with the request.</summary>
    public RequestProblems Problems => problems;

    /// <summary>The user to become; <see langword="null"/>: stay who we are.</summary>
    public UserIdentity? User { get; private set; }

    /// <summary>Whether the job gets a network of its own, with nothing in it.</summary>
    public bool OwnNetwork => request.Network.EffectiveMode == NetworkMode.None;

    /// <summary>Adds what is wrong with the request whatever this system can do.</summary>
    public void Check()
    {
        User = FindUser();
        _ = CreateLayout([], []);
    }

    /// <summary>Adds what this system, as it is, cannot honour.</summary>
    public void CheckAgainst(Protections protections)
    {
        User = FindUser();
        var abilities = protections.Cgroups.Abilities;
        const string Fix = "see the executor's fingerprint (ergon doctor) for what to do.";
        if (request.Resources.Cpu is not null && !abilities.Cpu)
            problems.NotSupported("resources.cpu", $"cannot be limited here without a cpu cgroup; leave it out, or {Fix}");
        if (protections.HasSandbox) return;
        if (options.RequireSandbox)
            problems.NotSupported("engine_spec.type", $"needs a sandbox, since the operator requires one (RequireSandbox). {protections.SandboxProblem} {protections.SandboxRemedy}");
        // Nobody asked for no network by leaving it out; whoever asked for it must have it.
        if (request.Network.Mode == NetworkMode.None)
            problems.NotSupported("network.mode", $"is none, but without namespaces the job has the host's network; ask for host, or {Fix}");
        if (request.Resources.Disk is not null) problems.NotSupported("resources.disk", $"cannot be limited here without a sandbox; leave it out, or {Fix}");
        CheckVolumesWithoutSandbox();
    }

    /// <summary>Decides what the file system of the sandbox looks like.</summary>
    public SandboxLayout CreateLayout(IReadOnlyList<string> hiddenPaths, IReadOnlyList<SandboxVolume> furtherVolumes) =>
        SandboxLayout.Create([.. options.HiddenPaths, .. hiddenPaths], [.. Volumes(), .. furtherVolumes], problems);

    /// <summary>The size of the private directories.</summary>
    public long? PrivateBytes => request.Resources.Disk ?? options.PrivateDirectoryBytes;

    public IReadOnlyList<string> HiddenPaths => options.HiddenPaths;

    /// <summary>The host name inside.</summary>
    public string HostName => spec.Hostname ?? request.ExecutionId.ToHostname();

    private List<SandboxVolume> Volumes()
    {
        var volumes = new List<SandboxVolume>();
        for (var i = 0; i < request.Inputs.Count; i++)
            volumes.Add(new(request.Inputs[i].Source, request.Inputs[i].Target, request.Inputs[i].ReadOnly, Directory.Exists(request.Inputs[i].Source), $"inputs[{i}]"));
        for (var i = 0; i < request.Outputs.Count && request.ResultsDir is not null; i++)
            volumes.Add(new(Path.Combine(request.ResultsDir, request.Outputs[i].Source), request.Outputs[i].Target, ReadOnly: false, IsDirectory: true, $"outputs[{i}]"));
        // /run is private, and it is where the host's list of name servers often is.
        if (!OwnNetwork && File.ResolveLinkTarget(ResolverFile, returnFinalTarget: true) is { Exists: true, FullName: var resolver } && SandboxLayout.IsPrivate(resolver))
            volumes.Add(new(resolver, resolver, ReadOnly: true, IsDirectory: false, "network"));
        return volumes;
    }

    private UserIdentity? FindUser()
    {
        if (!Protections.IsRoot)
        {
            if (spec.User is not null)
                problems.NotSupported(SpecParameters.Field("user"), "needs Ergon to run as root; without it jobs run as Ergon's own user.");
            return null;
        }

        if (spec.User is { } asked && asked != options.User && !options.AllowedUsers.Contains("*") && !options.AllowedUsers.Contains(asked))
        {
            problems.Forbidden(SpecParameters.Field("user"), $"is '{asked}', which the operator does not allow (AllowedUsers).");
            return null;
        }

        var name = spec.User ?? options.User;
        var user = UserDatabase.ReadOwn().Find(name);
        if (user is null) problems.Invalid(SpecParameters.Field("user"), $"is '{name}', which is no user of this host; give name, name:group, uid or uid:gid.");
        return user;
    }

    private void CheckVolumesWithoutSandbox()
    {
        foreach (var volume in Volumes().Where(v => v.Field != "network" && v.Source != v.Target))
        {
            problems.NotSupported(
                volume.Field + ".target", $"is {volume.Target}, but without a sandbox nothing can be mounted there; make it equal to the source, {volume.Source}.");
        }

        foreach (var volume in Volumes().Where(v => v.Field.StartsWith("inputs", StringComparison.Ordinal) && v.ReadOnly))
            problems.NotSupported(volume.Field + ".read_only", "cannot be ensured without a sandbox.");
    }
}
