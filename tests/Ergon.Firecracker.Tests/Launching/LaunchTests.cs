using Ergon.Linux;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Vmm;

namespace Ergon.Firecracker.Tests.Launching;

/// <summary>Programs that are not the Firecracker that they should be: the reason reaches people, and no process stays.</summary>
public sealed class LaunchTests : IDisposable
{
    private const UnixFileMode Executable = (UnixFileMode)0b111_101_101;
    private const string Version = "if [ \"$1\" = --version ]; then echo 'Firecracker v1.16.1'; exit; fi\n";

    private readonly string _directory = Directory.CreateTempSubdirectory("launch-").FullName;
    private readonly KernelEvents _events = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _events.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [InlineData("exit 153", "exit code 153: a bad argument")]
    [InlineData("exit 148", "exit code 148: it made a system call that its filter forbids")]
    [InlineData("kill -9 $$", "ended by SIGKILL")]
    [InlineData("echo Cannot do it. >&2; exit 1", "Cannot do it.")]
    [InlineData("echo Logged. >/proc/self/fd/2; exit 1", "Logged.")]
    public async Task One_that_ends_at_once_is_explained(string script, string reason)
    {
        (await Assert.ThrowsAsync<IOException>(() => LaunchAsync(script))).Message.Should().StartWith("Firecracker ended at once").And.Contain(reason);
    }

    [Fact]
    public async Task One_that_complains_without_end_neither_fills_the_disk_nor_hangs_the_start()
    {
        var failed = await Assert.ThrowsAsync<IOException>(() => LaunchAsync("i=0; while [ $i -lt 20000 ]; do echo complaint $i >&2 || :; i=$((i+1)); done; exit 1"));
        failed.Message.Should().Contain("complaint");
        failed.Message.Length.Should().BeLessThan(20_000);
        Directory.EnumerateFiles(_directory, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length).Should().BeLessThan(100_000);
    }

    [Fact]
    public async Task One_whose_api_never_appears_is_killed()
    {
        var failed = await Assert.ThrowsAsync<IOException>(() => LaunchAsync("echo $$ > pid; exec sleep 600", TimeSpan.FromSeconds(2)));
        failed.Message.Should().Contain("did not appear");
        var id = (await File.ReadAllTextAsync(Path.Combine(_directory, "machine", "vmm", "pid"), Token)).Trim();
        Directory.Exists($"/proc/{id}").Should().BeFalse();
    }

    [Theory]
    [InlineData("echo 'Firecracker v1.6.0'", "Firecracker 1.6.0 is too old.")]
    [InlineData("echo hello", "does not tell its version.")]
    [InlineData("exit 3", "does not tell its version.")]
    public async Task A_program_that_cannot_be_used_is_found_out_by_its_version(string script, string problem)
    {
        var facts = await new FirecrackerProbe(new FirecrackerOptions { Program = await ProgramAsync(script, "") }).FactsAsync(Token);
        facts.Version.Should().BeNull();
        facts.Problems.Should().ContainSingle().Which.Problem.Should().Contain(problem);
    }

    [Fact]
    public async Task A_program_that_is_missing_is_looked_for_again()
    {
        var path = Path.Combine(_directory, "program");
        var probe = new FirecrackerProbe(new FirecrackerOptions { Program = path });
        (await probe.FactsAsync(Token)).Problems.Should().ContainSingle().Which.Remedy.Should().Contain("Download");
        await ProgramAsync("", Version);
        (await probe.FactsAsync(Token)).Version.Should().Be("1.16.1");
    }

    private async Task LaunchAsync(string script, TimeSpan? deadline = null)
    {
        var options = new FirecrackerOptions { Program = await ProgramAsync(script, Version) };
        var vmm = new FirecrackerVmm(options, new FirecrackerProbe(options), _events, null) { ApiDeadline = deadline ?? TimeSpan.FromSeconds(60) };
        var machine = Directory.CreateDirectory(Path.Combine(_directory, "machine")).FullName;
        var kernel = Path.Combine(machine, "kernel");
        await File.WriteAllTextAsync(kernel, "a kernel", Token);
        var launched = await vmm.LaunchAsync(
            new VmPlan { Name = "launch/test", Directory = machine, Cpus = 1, MemoryBytes = 1L << 27, KernelPath = kernel, KernelArguments = "", HasAgent = true }, Token);
        launched.Kill();
        await launched.DisposeAsync();
    }

    private async Task<string> ProgramAsync(string script, string version)
    {
        var path = Path.Combine(_directory, "program");
        await File.WriteAllTextAsync(path, $"#!/bin/sh\n{version}{script}\n", Token);
        File.SetUnixFileMode(path, Executable);
        File.SetUnixFileMode(_directory, Executable);
        return path;
    }
}
