using Ergon.Conformance;
using Ergon.Firecracker.Tests.Conformance;
using Ergon.Linux;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Tests.Guests;

namespace Ergon.Firecracker.Tests.Launching;

/// <summary>How a machine is paused depends on the version of its Firecracker; the conformance suite pauses one of the stand-in's usual version.</summary>
public sealed class PausingTests(FirecrackerFixture fixture)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_version_without_the_defect_of_1_16_is_paused_over_its_api()
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        Assert.SkipWhen(FirecrackerProgram.Real is not null, "Only the stand-in can be of any version.");
        var program = await FirecrackerProgram.InstallAsync(fixture.NewDirectory(), standInVersion: "1.15.1");
        var request = new ExecutionRequest
        {
            JobId = JobId.Parse("pausing"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = new MicroVmSpec { Image = fixture.Image, Cmd = ["sh", "-c", "echo ready; sleep 1000"] }.ToSpecConfig(FirecrackerExecutor.Type),
        };
        await using var executor = FirecrackerExecutor.Create(
            fixture.Options with { Program = program }, new ExecutorOptions { ExecutorId = $"pausing-{Guid.NewGuid():n}", DataDirectory = fixture.NewDirectory() });
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        await executor.PauseAsync(request.ExecutionId, Token);
        ProcessTable.Find(HostView.MachineOf(executor.ExecutorId, request.ExecutionId)!.Value)!.Value.State.Should().NotBe('T');
        await executor.ResumeAsync(request.ExecutionId, Token);

        await using (var session = await executor.ExecAsync(request.ExecutionId, new ExecRequest { Command = ["sh", "-c", "exit 4"] }, Token))
            (await session.WaitAsync(Token)).Should().Be(4);
        await executor.CleanupAsync(Token);
    }
}
