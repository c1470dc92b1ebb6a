using System.Text;
using Ergon.Firecracker.Tests.Conformance;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Tests.Guests;

namespace Ergon.Firecracker.Tests.Launching;

/// <summary>Guests with an init of their own: the console is the output, and the machine's end is the execution's.</summary>
public sealed class OwnInitTests(FirecrackerFixture fixture)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_the_guest_shows_is_the_output_and_its_reset_is_the_end()
    {
        var result = await RunAsync("echo hello from $(uname -r); reboot -f");
        (result.ExitCode, result.Reason).Should().Be((0, TerminationReason.Exited));
        result.Stdout.Text.Should().Contain("hello from 6.");
    }

    [Fact]
    public async Task A_guest_that_panics_has_ended_too_and_its_console_tells_why()
    {
        var result = await RunAsync("echo now; exit 3");
        result.Stdout.Text.Should().Contain("now").And.Contain("Kernel panic");
    }

    [Fact]
    public async Task Firecrackers_own_words_tell_why_a_machine_does_not_start()
    {
        var request = await RequestAsync("true");
        await using var executor = Executor(new FirecrackerOptions { CpuTemplate = "NoSuch" });
        var refused = await Assert.ThrowsAsync<ExecutorException>(() => executor.RunAsync(request, Token));
        refused.Code.Should().Be(ErrorCode.BackendFailed);
        refused.Message.Should().Contain("Firecracker refuses PUT /machine-config").And.Contain("unknown variant `NoSuch`");
    }

    private async Task<ExecutionResult> RunAsync(string script)
    {
        await using var executor = Executor(new FirecrackerOptions());
        var request = await RequestAsync(script);
        var result = await executor.RunAsync(request, Token);
        await executor.CleanupAsync(Token);
        return result;
    }

    private Executor Executor(FirecrackerOptions options)
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        options = options with
        {
            Program = fixture.Program,
            CacheDirectory = Path.Combine(fixture.Root, "cache"),
            AllowedImagePaths = [fixture.Root],
            AllowedKernels = [TestGuest.Kernel!],
        };
        return FirecrackerExecutor.Create(options, new ExecutorOptions { ExecutorId = $"own-init-{Guid.NewGuid():n}", DataDirectory = fixture.NewDirectory() });
    }

    private async Task<ExecutionRequest> RequestAsync(string script)
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        var initrd = Path.Combine(fixture.NewDirectory(), "initrd");
        await using (var file = File.Create(initrd)) WriteInitrd(file, script, await File.ReadAllBytesAsync("/usr/bin/busybox", Token));
        return new ExecutionRequest
        {
            JobId = JobId.Parse("own-init"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = new MicroVmSpec { KernelImage = TestGuest.Kernel, InitrdPath = initrd, KernelArgs = "quiet" }.ToSpecConfig(FirecrackerExecutor.Type),
            Timeouts = new Timeouts { Run = TimeSpan.FromMinutes(2) },
        };
    }

    private static void WriteInitrd(Stream file, string script, byte[] busybox)
    {
        const int Executable = 0x1ed;
        var archive = new CpioWriter(file);
        foreach (var directory in new[] { "bin", "dev", "proc" }) archive.WriteDirectory(directory);
        archive.WriteCharacterDevice("dev/console", 5, 1);
        archive.WriteFile("bin/busybox", Executable, busybox);
        archive.WriteFile("init", Executable, Encoding.UTF8.GetBytes($"#!/bin/busybox sh\n/bin/busybox --install -s /bin\n{script}\n"));
        archive.End();
    }
}
