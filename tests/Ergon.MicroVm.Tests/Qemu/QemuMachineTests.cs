using Ergon.Linux;
using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Qemu;
using Ergon.MicroVm.Tests.Conformance;
using Ergon.MicroVm.Tests.Guests;
using Ergon.MicroVm.Vmm;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Tests.Qemu;

/// <summary>What becomes of a machine that is told by its monitor what to do.</summary>
public sealed class QemuMachineTests(QemuFixture fixture) : MachineTests(fixture)
{
    private readonly KernelEvents _events = new();

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _events.Dispose();
    }

    [Fact]
    public async Task A_machine_goes_on_when_its_saving_is_given_up()
    {
        await using var machine = await LaunchAsync();
        try
        {
            var (readEnd, writeEnd) = Descriptors.Pipe();
            using var given = readEnd;
            using var impatience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            // As onto a disk that takes nothing more: nobody reads yet.
            var saving = async () =>
            {
                using (writeEnd) await machine.SaveAsync(writeEnd, impatience.Token);
            };
            await saving.Should().ThrowAsync<OperationCanceledException>();

            // QEMU is done with it when it has closed the file.
            await using (var state = new FileStream(given, FileAccess.Read)) await state.CopyToAsync(Stream.Null, Token);

            (await machine.GetStatusAsync(Token)).Should().Be("running");
        }
        finally
        {
            machine.Kill();
            await machine.Ended;
        }
    }

    [Fact]
    public async Task A_machine_stands_still_while_it_is_saved_and_goes_on_afterwards()
    {
        await using var machine = await LaunchAsync();
        try
        {
            var (readEnd, writeEnd) = Descriptors.Pipe();
            var saving = SaveAsync(machine, writeEnd);
            await using (var state = new FileStream(readEnd, FileAccess.Read))
            {
                await state.ReadExactlyAsync(new byte[1], Token);
                (await machine.GetStatusAsync(Token)).Should().Be("paused");
                await state.CopyToAsync(Stream.Null, Token);
            }

            await saving;
            (await machine.GetStatusAsync(Token)).Should().Be("running");
        }
        finally
        {
            machine.Kill();
            await machine.Ended;
        }
    }

    private static async Task SaveAsync(QemuMachine machine, SafeFileHandle file)
    {
        using (file) await machine.SaveAsync(file, Token);
    }

    private async Task<QemuMachine> LaunchAsync()
    {
        var cache = Fixture.NewDirectory();
        using var boot = new GuestBoot(Fixture.Options, cache);
        var vmm = new QemuVmm(Fixture.Options, boot, cache, _events, NullLogger.Instance, TimeProvider.System);
        var files = await boot.GetAsync(null, vmm.ModulesFor(null), Token);
        var plan = new VmPlan
        {
            Name = "tests/machine",
            Directory = Fixture.NewDirectory(),
            Cpus = 1,
            MemoryBytes = 256L << 20,
            KernelPath = files.KernelPath,
            InitrdPath = files.InitramfsPath,
            KernelArguments = files.KernelArguments,
            HasAgent = true,
        };
        return await vmm.LaunchAsync(plan, "tcg", ProgramPath.Find("qemu-system-x86_64")!, null);
    }
}
