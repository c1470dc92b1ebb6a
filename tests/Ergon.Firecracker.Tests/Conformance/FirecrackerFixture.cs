using System.Net;
using System.Net.Sockets;
using Ergon.Conformance;
using Ergon.Firecracker.Tests.Conformance;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Tests.Guests;
using Ergon.MicroVm.Warm;

[assembly: AssemblyFixture(typeof(FirecrackerFixture))]
[assembly: AssemblyFixture(typeof(WarmFirecrackerFixture))]

namespace Ergon.Firecracker.Tests.Conformance;

/// <summary>The conformance suite through the Firecracker driver: on a real Firecracker where one is given, else on the stand-in.</summary>
public class FirecrackerFixture : ConformanceFixture
{
    // Accepts connections and never answers: a registry whose pulls do not end.
    private readonly TcpListener _silentRegistry = new(IPAddress.Loopback, 0);

    /// <summary>The program that is tested.</summary>
    public string Program { get; private set; } = "";

    /// <summary>The image that the tests run.</summary>
    public string Image { get; private set; } = "";

    /// <summary>The options of every executor of the suite.</summary>
    public virtual FirecrackerOptions Options => new()
    {
        Program = Program,
        KernelImage = TestGuest.Kernel,
        CacheDirectory = Path.Combine(Root, "cache"),
        AllowedImagePaths = [Root],
        BootTimeout = TimeSpan.FromSeconds(FirecrackerProgram.Real is null ? 100 : 300),
    };

    public override string? SkipReason => TestGuest.Kernel is null ? TestGuest.Missing : null;

    // Guests of a stand-in are translated, and a real one may run in a machine that is itself emulated.
    public override int ConcurrentExecutions => 8;

    public override TimeSpan FirstSteps => TimeSpan.FromSeconds(8);

    // The bytes of a stand-in's guest pass through one more process, beside processors that are translated.
    public override long LargeOutputSize => 25_000_000;

    public override SpecConfig? SpecThatNeverGetsPrepared => new MicroVmSpec { Image = $"docker://{_silentRegistry.LocalEndpoint}/never:latest" }.ToSpecConfig(FirecrackerExecutor.Type);

    public override SpecConfig? SpecThatFailsToStart => new MicroVmSpec { Image = Image, User = "nobody-of-that-name" }.ToSpecConfig(FirecrackerExecutor.Type);

    public override SpecConfig Spec(TestJob job) => new MicroVmSpec
    {
        Image = Image,
        Cmd = job.ToCommand(),
        Environment = job.Environment,
        WorkingDirectory = job.WorkingDirectory,
    }.ToSpecConfig(FirecrackerExecutor.Type);

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
        File.SetUnixFileMode(Root, (UnixFileMode)0b111_001_001);
        Program = await FirecrackerProgram.InstallAsync(NewDirectory());
    }

    protected override ValueTask TearDownAsync()
    {
        _silentRegistry.Dispose();
        return ValueTask.CompletedTask;
    }

    protected override IExecutor Create(ExecutorOptions options) =>
        FirecrackerExecutor.Create(Options, FirecrackerProgram.Real is null ? options : options with { DriverTimeout = TimeSpan.FromMinutes(3) });

    protected override Task<IReadOnlyList<string>> FindLeftoversAsync(IReadOnlyCollection<string> executorIds) =>
        Task.FromResult(HostView.Leftovers(executorIds));
}

/// <summary>The conformance suite in machines that waited for their jobs.</summary>
public sealed class WarmFirecrackerFixture : FirecrackerFixture
{
    public override FirecrackerOptions Options => base.Options with { WarmMachines = new WarmMachineOptions { Always = true } };

    protected override string MachineOf(string executorId, ExecutionId executionId) =>
        new MachineDirectories(Path.Combine(Options.CacheDirectory!, "machines", FirecrackerExecutor.Type)).Find(executorId, executionId)?.Name ?? executionId.Value;
}
