using Ergon.Drivers;
using Ergon.Images;
using Ergon.Images.Store;
using Ergon.Linux;
using Ergon.Runc.Containers;

namespace Ergon.Runc.Bundles;

/// <summary>What a request, a spec and an image say together about a container.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal sealed class ContainerPlan
{
    private const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    private readonly RuncSpec _spec;
    private readonly ImageConfiguration _image;

    public ContainerPlan(ExecutionRequest request, RuncSpec spec, ImageConfiguration image)
    {
        (Request, _spec, _image) = (request, spec, image);
        Command = ImageCommand.Combine(spec.Entrypoint, spec.Cmd, image.Entrypoint, image.Cmd);
        Capabilities = [.. spec.CapAdd.Select(Capability.NameOf).Distinct().Order(StringComparer.Ordinal)];
        StopSignal = spec.StopSignal ?? (image.StopSignal is { } name && Signal.TryParse(name, out var signal) ? signal : Signal.Terminate);
        Scripts = [.. request.ProvisionScripts.Select((s, i) => new PlannedScript(s.Name, $"{i:d4}-{s.Name}", s.Content, s.Content.Span.StartsWith("#!"u8)))];
    }

    public ExecutionRequest Request { get; }

    /// <summary>The job's own argument vector.</summary>
    public IReadOnlyList<string> Command { get; }

    /// <summary>With the prefix that the kernel's names have.</summary>
    public IReadOnlyList<string> Capabilities { get; }

    public Signal StopSignal { get; }

    /// <summary>The scripts that run before the command.</summary>
    public IReadOnlyList<PlannedScript> Scripts { get; }

    public bool HasInit => _spec.Init ?? true;

    public bool ReadOnlyRoot => _spec.ReadOnlyRoot;

    public string HostName => _spec.Hostname ?? Request.ExecutionId.ToHostname();

    public string WorkingDirectory => _spec.WorkingDirectory ?? (_image.WorkingDir.Length > 0 ? _image.WorkingDir : "/");

    public string UserName => _spec.User ?? _image.User;

    public NetworkMode Network => Request.Network.EffectiveMode;

    /// <summary>The job's environment.</summary>
    /// <param name="home">The home directory of its user.</param>
    public IReadOnlyDictionary<string, string> Environment(string? home)
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = DefaultPath, ["HOSTNAME"] = HostName };
        foreach (var text in _image.Env)
            if (text.IndexOf('=', StringComparison.Ordinal) is > 0 and var at) variables[text[..at]] = text[(at + 1)..];
        foreach (var (name, value) in _spec.Environment) variables[name] = value;
        foreach (var (name, value) in Request.Environment) variables[name] = value;
        variables.TryAdd("HOME", home is { Length: > 0 } ? home : "/");
        return variables;
    }

    /// <summary>What the first process of the container is told.</summary>
    /// <param name="hasFilter">Whether it loads a filter.</param>
    public IReadOnlyList<string> Arguments(bool hasFilter) => HasInit
        ? ContainerInit.Run([.. Scripts.Select(s => s.Arguments), Command], hasFilter)
        : ContainerInit.Become(Command, hasFilter);

    /// <summary>Whom the container's files say that the job's user is.</summary>
    /// <param name="root">The root directory of the container.</param>
    /// <exception cref="ExecutorException">It has no such user.</exception>
    public (UserIdentity User, string? Home) FindUser(Microsoft.Win32.SafeHandles.SafeFileHandle root)
    {
        var users = new UserDatabase(RootedPath.ReadText(root, "/etc/passwd") ?? "", RootedPath.ReadText(root, "/etc/group") ?? "");
        var name = UserName.Length == 0 ? "0" : UserName;
        var user = users.Find(name) ?? throw new ExecutorException(
            ErrorCode.InvalidRequest, $"{SpecParameters.Field("user")}: the image has no user '{name}'. Name one of its /etc/passwd, or give a number.", Request.ExecutionId);
        // As Docker does: a number that the image does not know belongs to root's group.
        var isUnknown = !name.Contains(':') && users.HomeOf(user.Uid) is null;
        return (isUnknown ? user with { Gid = 0 } : user, users.HomeOf(user.Uid));
    }
}

/// <summary>A provision script.</summary>
/// <param name="Name">As the request calls it.</param>
/// <param name="FileName">As it is called inside.</param>
/// <param name="Content">Its text.</param>
/// <param name="IsProgram">Whether it says itself what executes it.</param>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal sealed record PlannedScript(string Name, string FileName, ReadOnlyMemory<byte> Content, bool IsProgram)
{
    public IReadOnlyList<string> Arguments
    {
        get
        {
            var path = $"{ContainerInit.ScriptsDirectory}/{FileName}";
            return IsProgram ? [path] : ["/bin/sh", path];
        }
    }
}
