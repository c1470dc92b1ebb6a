using System.Runtime.Versioning;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Ergon.Drivers;
using Ergon.Images.Store;
using Ergon.Linux;
using Ergon.Networks;
using Ergon.Runc.Bundles;
using Ergon.Runc.Containers;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Runc.Execution;

/// <summary>Makes, step by step, everything that a container needs, and can undo what it has made.</summary>
[SupportedOSPlatform("linux")]
internal sealed class RuncExecutionBuilder(DriverContext context, RuncSpec spec, RuncParts shared)
{
    private const string ImageFile = "image.json";

    private readonly BundlePaths _paths = new(context.WorkDirectory);
    private Cgroup? _cgroup;
    private KeptPipe? _stdout;
    private KeptPipe? _stderr;
    private ContainerHome? _home;
    private BridgeNetwork? _network;

    private ExecutionRequest Request => context.Request;

    private string Mark => ContainerHome.Keepers.Of(context.ExecutorId, Request.ExecutionId.Value);

    public async Task<RuncExecution> BuildAsync(string program, CancellationToken cancellationToken)
    {
        using var image = await shared.Images.GetAsync(spec.Image, spec.PullPolicy, spec.Platform, context.ReportProgress, cancellationToken);
        var plan = new ContainerPlan(Request, spec, image.Config);
        if (plan.Command.Count == 0)
            throw new ExecutorException(ErrorCode.InvalidRequest, $"{SpecParameters.Field("cmd")}: is missing, and the image names no command either. Give one.", Request.ExecutionId);
        (_stdout, _stderr) = (KeptPipe.Create(), KeptPipe.Create());
        var filter = FilterFor(plan.Capabilities);
        BundleWriter.MakeDirectories(_paths);
        MakeCgroup();
        var writer = new BundleWriter(plan, _paths, shared.Cgroups.PathFor(_cgroup!, context.ExecutorId, Request.ExecutionId, context.Outlives));
        writer.WriteScripts();
        if (context.Outlives) await File.WriteAllBytesAsync(Path.Combine(context.WorkDirectory, ImageFile), JsonSerializer.SerializeToUtf8Bytes(image.Config, StoreJsonContext.Default.ImageConfiguration), cancellationToken);
        _home = await ContainerHome.CreateAsync(KeeperRequest(image, shared.SealedRuntime.Of(program)), _paths, [shared.MountPoints, .. image.Layers], plan.Network == NetworkMode.Bridge, shared.Events);
        if (context.Outlives) KeeperRecord.AddKeeper(context.WorkDirectory, _home.Keeper.Id);
        cancellationToken.ThrowIfCancellationRequested();
        if (plan.Network == NetworkMode.Bridge) await ConnectAsync(_home, cancellationToken);
        writer.WriteNames(_home, _network);
        var (user, environment) = FindUser(plan);
        writer.WriteConfiguration(_home, user, environment, _network is null ? null : ContainerHome.NetworkPath, filter is not null);
        return Build(program, plan, user, environment, filter);
    }

    /// <summary>Finds the container that a former process started; <see langword="null"/>: it was not started, or is gone.</summary>
    public async Task<RuncExecution?> AttachAsync(string program, CancellationToken cancellationToken)
    {
        if (FindKeeper(context) is not { } keeper || (_home = ContainerHome.Attach(keeper, shared.Events)) is null) return null;
        using var runtime = _home.FindRuntime();
        if (runtime is null) return null;
        // It may still be at it: the former process ended meanwhile.
        await shared.WaitForStepAsync(runtime.Exit, "the runtime did not end", cancellationToken);
        if ((await runtime.Exit).ExitCode != 0 || _home.FindFirstProcess() is not { } first) return null;
        _cgroup = FindCgroup(context, shared);
        _network = await shared.Networks.FindAsync(context.ExecutorId, Request.ExecutionId, cancellationToken);
        (_stdout, _stderr) = (KeptPipe.Attach(_home.Keeper, ContainerHome.KeptStdout), KeptPipe.Attach(_home.Keeper, ContainerHome.KeptStderr));
        var plan = new ContainerPlan(Request, spec, await ReadAsync(Path.Combine(context.WorkDirectory, ImageFile), StoreJsonContext.Default.ImageConfiguration, cancellationToken));
        // As it was started: what the image said then about its user, the job may have changed.
        var config = await ReadAsync(_home.PathOf(_paths.Configuration), OciJsonContext.Default.OciConfig, cancellationToken);
        var filter = config.Linux.Seccomp is null ? FilterFor(plan.Capabilities) : null;
        if (config.Linux.Seccomp is null && filter is null) throw new IOException("libseccomp has gone, which commands in the container need");
        var execution = Build(program, plan, config.Process.Identity, config.Process.Variables, filter);
        execution.Resume(first);
        return execution;
    }

    private static async Task<T> ReadAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        try
        {
            return JsonSerializer.Deserialize(await File.ReadAllBytesAsync(path, cancellationToken), type) ?? throw new IOException($"{path} is empty");
        }
        catch (JsonException e)
        {
            throw new IOException($"{path} is damaged: {e.Message}", e);
        }
    }

    /// <summary>Lets go of what has been opened, and leaves it as it is.</summary>
    public void Release()
    {
        _stdout?.Dispose();
        _stderr?.Dispose();
        _cgroup?.Release();
        _home?.Dispose();
    }

    /// <summary>Removes what has been made so far.</summary>
    public async Task UndoAsync()
    {
        if (_home is not null) await _home.DestroyAsync();
        if (_cgroup is not null) await _cgroup.RemoveAsync(shared.Events, CancellationToken.None);
        if (_network is not null) await shared.Networks.RemoveAsync(context.ExecutorId, Request.ExecutionId, CancellationToken.None);
        Release();
        BundleWriter.RemoveDirectories(_paths);
    }

    /// <summary>Removes everything that a former process left of one execution.</summary>
    public static async Task RemoveAsync(DriverContext context, RuncParts shared, CancellationToken cancellationToken)
    {
        if (FindKeeper(context) is { } keeper) await OtherProcess.KillAsync(keeper, shared.Events, cancellationToken);
        if (FindCgroup(context, shared) is { } cgroup) await cgroup.RemoveAsync(shared.Events, cancellationToken);
        await shared.Networks.RemoveAsync(context.ExecutorId, context.Request.ExecutionId, cancellationToken);
        BundleWriter.RemoveDirectories(new BundlePaths(context.WorkDirectory));
    }

    private static int? FindKeeper(DriverContext context)
    {
        var mark = ContainerHome.Keepers.Of(context.ExecutorId, context.Request.ExecutionId.Value);
        if (KeeperRecord.Read(context.WorkDirectory).KeeperId is { } recorded) return KeeperMark.Is(recorded, mark) ? recorded : null;
        // The former process ended between starting it and writing that down.
        var found = ContainerHome.Keepers.Find(context.ExecutorId).FirstOrDefault(k => k.Execution == context.Request.ExecutionId.Value).Id;
        return found == 0 ? null : found;
    }

    // Where the former process made it, which may have been elsewhere than this one would.
    private static Cgroup? FindCgroup(DriverContext context, RuncParts shared)
    {
        var places = KeeperRecord.Read(context.WorkDirectory).CgroupPlaces;
        if (places.Count > 0) return shared.Cgroups.At(places);
        return shared.Cgroups.IsUsable ? shared.Cgroups.Find(context.ExecutorId, context.Request.ExecutionId, outlives: true) : null;
    }

    private void MakeCgroup()
    {
        if (context.Outlives) KeeperRecord.Begin(context.WorkDirectory, shared.Cgroups.Find(context.ExecutorId, Request.ExecutionId, outlives: true));
        var (resources, can) = (Request.Resources, shared.Cgroups.Abilities);
        var limits = new CgroupLimits(can.Memory ? resources.Memory : null, can.Cpu ? resources.Cpu : null, can.Pids ? resources.Pids : null);
        _cgroup = shared.Cgroups.Create(context.ExecutorId, Request.ExecutionId, context.Outlives, limits);
    }

    private async Task ConnectAsync(ContainerHome home, CancellationToken cancellationToken)
    {
        using var inside = home.Keeper.OpenNamespace("net");
        _network = await shared.Networks.CreateAsync(
            context.ExecutorId, Request.ExecutionId, Request.Network, network => NamespaceConnection.MakeAsync(network, inside), cancellationToken);
    }

    private KeeperRequest KeeperRequest(ImageLease image, SafeFileHandle? runtime) => new()
    {
        Mark = Mark,
        Outlives = context.Outlives,
        // In the order of KeptStdout, KeptStderr, InitPath and RuntimePath. As long as the keeper has the lock, nobody removes the layers.
        Kept =
        [
            _stdout!.ReadDescriptor, _stderr!.ReadDescriptor, Descriptors.Number(image.Lock), Descriptors.Number(ContainerInit.Program),
            .. runtime is null ? Array.Empty<int>() : [Descriptors.Number(runtime)],
        ],
    };

    private (UserIdentity User, IReadOnlyDictionary<string, string> Environment) FindUser(ContainerPlan plan)
    {
        using var root = _home!.OpenRoot(_paths);
        var (user, home) = plan.FindUser(root);
        return (user, plan.Environment(home));
    }

    private RuncExecution Build(string program, ContainerPlan plan, UserIdentity user, IReadOnlyDictionary<string, string> environment, SafeFileHandle? filter) => new(new ContainerParts
    {
        Shared = shared,
        Context = context,
        Plan = plan,
        Paths = _paths,
        Home = _home!,
        Runtime = new RuncCommand(program, _home!.RuntimeOf(program), _paths),
        Stdout = _stdout!,
        Stderr = _stderr!,
        Cgroup = _cgroup,
        Ports = _network?.Ports ?? [],
        User = user,
        Environment = environment,
        Filter = filter,
    });

    // Without the library, runc makes the filter itself, which is slow.
    private static SafeFileHandle? FilterFor(IReadOnlyCollection<string> capabilities)
    {
        try
        {
            return SeccompFilter.For(capabilities);
        }
        catch (DllNotFoundException)
        {
            return null;
        }
    }
}
