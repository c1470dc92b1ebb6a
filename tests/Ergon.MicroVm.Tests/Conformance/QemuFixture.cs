using System.Net;
using System.Net.Sockets;
using Ergon.Conformance;
using Ergon.MicroVm.Qemu;
using Ergon.MicroVm.Tests.Conformance;
using Ergon.MicroVm.Tests.Guests;
using Ergon.MicroVm.Warm;

[assembly: AssemblyFixture(typeof(QemuFixture))]
[assembly: AssemblyFixture(typeof(WarmQemuFixture))]

// Most tests wait for a guest, which does not always use a core.
[assembly: Xunit.v3.Parallelization(MaxThreads = 4)]

namespace Ergon.MicroVm.Tests.Conformance;

/// <summary>The conformance suite in real QEMU guests.</summary>
public class QemuFixture : ConformanceFixture
{
    // Accepts connections and never answers: a registry whose pulls do not end.
    private readonly TcpListener _silentRegistry = new(IPAddress.Loopback, 0);

    /// <summary>The image that the tests run.</summary>
    public string Image { get; private set; } = "";

    /// <summary>The options of every executor of the tests.</summary>
    public virtual QemuOptions Options => new()
    {
        KernelImage = TestGuest.Kernel,
        CacheDirectory = Path.Combine(Root, "cache"),
        AllowedImagePaths = [Root],
        Acceleration = Acceleration.Tcg,
    };

    public override string? SkipReason => TestGuest.Kernel is null ? TestGuest.Missing : null;

    // Translated guests on a machine that runs several of them at once.
    public override int ConcurrentExecutions => 12;

    public override TimeSpan FirstSteps => TimeSpan.FromSeconds(8);

    // What a translated shell makes in reasonable time; the tests of the agent send 100 MB, made by a faster program.
    public override long LargeOutputSize => 20_000_000;

    public override SpecConfig? SpecThatNeverGetsPrepared => new MicroVmSpec { Image = $"docker://{_silentRegistry.LocalEndpoint}/never:latest" }.ToSpecConfig(QemuExecutor.Type);

    public override SpecConfig? SpecThatFailsToStart => new MicroVmSpec { Image = Image, User = "nobody-of-that-name" }.ToSpecConfig(QemuExecutor.Type);

    public override SpecConfig Spec(TestJob job) => new MicroVmSpec
    {
        Image = Image,
        Cmd = job.ToCommand(),
        Environment = job.Environment,
        WorkingDirectory = job.WorkingDirectory,
    }.ToSpecConfig(QemuExecutor.Type);

    public override Task<bool> KillExternallyAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        if (HostView.MachineOf(executorId, MachineOf(executorId, executionId)) is not { } id) return Task.FromResult(false);
        System.Diagnostics.Process.GetProcessById(id).Kill();
        return Task.FromResult(true);
    }

    /// <summary>The name by which the machine of an execution is marked.</summary>
    protected virtual string MachineOf(string executorId, ExecutionId executionId) => executionId.Value;

    protected override async ValueTask SetUpAsync()
    {
        _silentRegistry.Start();
        Image = await BusyboxImage.WriteAsync(Path.Combine(Root, "busybox.tar"));
    }

    protected override ValueTask TearDownAsync()
    {
        _silentRegistry.Dispose();
        return ValueTask.CompletedTask;
    }

    protected override IExecutor Create(ExecutorOptions options) => QemuExecutor.Create(Options, options);

    protected override Task<IReadOnlyList<string>> FindLeftoversAsync(IReadOnlyCollection<string> executorIds) =>
        Task.FromResult(HostView.Leftovers(executorIds));
}

/// <summary>The conformance suite in machines that waited for their jobs.</summary>
public sealed class WarmQemuFixture : QemuFixture
{
    public override QemuOptions Options => base.Options with { WarmMachines = new WarmMachineOptions { Always = true } };

    protected override string MachineOf(string executorId, ExecutionId executionId) =>
        new MachineDirectories(Path.Combine(Options.CacheDirectory!, "machines", QemuExecutor.Type)).Find(executorId, executionId)?.Name ?? executionId.Value;
}
