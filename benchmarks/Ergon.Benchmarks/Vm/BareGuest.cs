using System.Diagnostics;
using CliWrap;
using Ergon.MicroVm.Guest.Boot;

namespace Ergon.Benchmarks;

/// <summary>The same kernel in the same kind of machine, with nothing in it but the smallest init there can be.</summary>
/// <param name="arguments">What Ergon gave to QEMU for a guest of the same size.</param>
/// <param name="directory">A directory for its files.</param>
internal sealed class BareGuest(IReadOnlyList<string> arguments, string directory)
{
    private static readonly string[] Kept = ["reboot=", "panic=", "quiet", "tsc"];

    // Says that it is there, and resets the machine, which ends it.
    private const string Init = """
        static long call(long n, long a, long b, long c, long d) {
          long r; register long r10 __asm__("r10") = d;
          __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
          return r;
        }
        void _start(void) { call(1, 1, (long)"ready\n", 6, 0); for (;;) call(169, 0xfee1deadL, 672274793, 0x01234567, 0); }
        """;

    private string InitrdPath => Path.Combine(directory, "bare-initrd");

    /// <summary>Makes the init and the archive that it is in.</summary>
    public async Task MakeAsync()
    {
        var (source, program) = (Path.Combine(directory, "init.c"), Path.Combine(directory, "init"));
        await File.WriteAllTextAsync(source, Init);
        await Cli.Wrap("gcc").WithArguments(["-O2", "-static", "-nostdlib", "-o", program, source]).ExecuteAsync();
        await using var output = File.Create(InitrdPath);
        var archive = new CpioWriter(output);
        archive.WriteDirectory("dev");
        archive.WriteCharacterDevice("dev/console", 5, 1);
        archive.WriteFile("init", 0b111_101_101, await File.ReadAllBytesAsync(program));
        archive.End();
    }

    /// <summary>Boots one with everything that makes Ergon's guests boot faster.</summary>
    public Task<VmRun> RunTunedAsync(string kernel) => RunAsync(kernel, After("-cpu"), After("-append"));

    /// <summary>Boots one with what everybody would write; without the rate of its clock, one in several would wait for ever.</summary>
    public Task<VmRun> RunPlainAsync(string kernel) =>
        RunAsync(kernel, "max", string.Join(' ', After("-append").Split(' ').Where(a => Kept.Any(k => a.StartsWith(k, StringComparison.Ordinal)))) + " console=ttyS0");

    private async Task<VmRun> RunAsync(string kernel, string cpu, string kernelArguments)
    {
        var begun = Stopwatch.GetTimestamp();
        var start = new ProcessStartInfo("qemu-system-x86_64") { RedirectStandardOutput = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (var argument in (string[])["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]) start.ArgumentList.Add(argument);
        foreach (var name in (string[])["-accel", "-M", "-m", "-smp"])
        {
            start.ArgumentList.Add(name);
            start.ArgumentList.Add(After(name));
        }

        foreach (var argument in (string[])["-cpu", cpu, "-append", kernelArguments]) start.ArgumentList.Add(argument);
        foreach (var argument in (string[])["-kernel", kernel, "-initrd", InitrdPath]) start.ArgumentList.Add(argument);
        using var process = System.Diagnostics.Process.Start(start)!;
        while (await process.StandardOutput.ReadLineAsync() is { } line && !line.Contains("ready", StringComparison.Ordinal))
        {
        }

        var first = Stopwatch.GetElapsedTime(begun);
        await process.WaitForExitAsync();
        return new VmRun { FirstByte = first, End = Stopwatch.GetElapsedTime(begun) };
    }

    private string After(string name) => arguments[arguments.TakeWhile(a => a != name).Count() + 1];
}
