using System.Net;
using System.Net.Sockets;
using Ergon.Conformance;
using Ergon.Runc.Tests.Conformance;

[assembly: AssemblyFixture(typeof(RuncFixture))]

namespace Ergon.Runc.Tests.Conformance;

/// <summary>The conformance suite in containers of runc.</summary>
public sealed class RuncFixture : ConformanceFixture
{
    // Accepts connections and never answers: a registry whose pulls do not end.
    private readonly TcpListener _silentRegistry = new(IPAddress.Loopback, 0);

    /// <summary>The image that every test may use, as an engine spec names it.</summary>
    public string Image => $"docker-archive:{Path.Combine(Root, "busybox.tar")}";

    /// <summary>Settings with a store of the fixture's own.</summary>
    public RuncOptions Options => new()
    {
        CacheDirectory = Path.Combine(Root, "cache"),
        Policy = new RuncPolicy { AllowHostNetwork = true, AllowedImagePaths = [Root], AllowedCapabilities = ["NET_BIND_SERVICE", "SYS_CHROOT"] },
    };

    public override string? SkipReason => !OperatingSystem.IsLinux() || HostView.IsOrdinaryUser ? "Containers need Linux and root." : TestImages.Missing;

    public override SpecConfig? SpecThatNeverGetsPrepared => new RuncSpec { Image = $"docker://{_silentRegistry.LocalEndpoint}/never:latest" }.ToSpecConfig();

    public override SpecConfig? SpecThatFailsToStart => new RuncSpec { Image = Image, User = "nobody-of-that-name" }.ToSpecConfig();

    public override SpecConfig Spec(TestJob job) => new RuncSpec
    {
        Image = Image,
        Cmd = job.ToCommand(),
        Environment = job.Environment,
        WorkingDirectory = job.WorkingDirectory,
    }.ToSpecConfig();

    /// <summary>Kills the first process of the container, and with it everything inside.</summary>
    public override Task<bool> KillExternallyAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        if (HostView.FirstProcessOf(executorId, executionId) is not { } first) return Task.FromResult(false);
        System.Diagnostics.Process.GetProcessById(first).Kill();
        return Task.FromResult(true);
    }

    protected override ValueTask SetUpAsync()
    {
        TestImages.WriteBusybox(Path.Combine(Root, "busybox.tar"));
        _silentRegistry.Start();
        return ValueTask.CompletedTask;
    }

    protected override ValueTask TearDownAsync()
    {
        _silentRegistry.Dispose();
        return ValueTask.CompletedTask;
    }

    protected override IExecutor Create(ExecutorOptions options) => RuncExecutor.Create(Options, options);

    protected override Task<IReadOnlyList<string>> FindLeftoversAsync(IReadOnlyCollection<string> executorIds) =>
        Task.FromResult<IReadOnlyList<string>>([.. HostView.Leftovers(executorIds, Root)]);
}
