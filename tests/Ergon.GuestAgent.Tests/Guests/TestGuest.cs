using System.Diagnostics;
using System.Net.Sockets;
using Ergon.MicroVm.Guest.Protocol;
using DiagnosticsProcess = System.Diagnostics.Process;

namespace Ergon.GuestAgent.Tests.Guests;

/// <summary>A disk of a test's guest.</summary>
internal sealed record TestDisk(string Serial, string File, bool ReadOnly);

/// <summary>A real guest, booted by QEMU without any hardware help.</summary>
internal sealed class TestGuest : IAsyncDisposable
{
    private static readonly TimeSpan BootTime = TimeSpan.FromSeconds(60);

    private readonly DiagnosticsProcess _qemu;
    private readonly string _directory;
    private readonly List<GuestClient> _clients = [];
    private readonly Task<string> _console;

    private TestGuest(DiagnosticsProcess qemu, string directory)
    {
        (_qemu, _directory) = (qemu, directory);
        _console = qemu.StandardOutput.ReadToEndAsync();
        Errors = qemu.StandardError.ReadToEndAsync();
    }

    public string Directory => _directory;

    public Task<string> Errors { get; }

    /// <summary>The console's text, once QEMU has ended.</summary>
    public Task<string> Console => _console;

    private string SocketPath => Path.Combine(_directory, "agent");

    /// <summary>Boots a guest with its root disk, its scratch disk if wanted, and further disks.</summary>
    public static async Task<TestGuest> BootAsync(bool scratch = true, int memory = 256, params IReadOnlyList<TestDisk> disks)
    {
        Assert.SkipWhen(TestKernel.Problem is not null, TestKernel.Problem ?? "");
        var (kernel, initramfs) = await TestKernel.PrepareOnceAsync();
        var directory = System.IO.Directory.CreateDirectory(Path.Combine(TestKernel.WorkDirectory, Guid.NewGuid().ToString("n")[..8])).FullName;
        List<TestDisk> all = [new TestDisk("root", await TestImages.RootAsync(), ReadOnly: true), .. disks];
        if (scratch) all.Add(new TestDisk("scratch", await TestImages.MakeScratchAsync(Path.Combine(directory, "scratch")), ReadOnly: false));
        var start = new ProcessStartInfo("qemu-system-x86_64", Arguments(directory, kernel, initramfs, memory, all))
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return new TestGuest(DiagnosticsProcess.Start(start)!, directory);
    }

    private static List<string> Arguments(string directory, string kernel, string initramfs, int memory, List<TestDisk> disks)
    {
        List<string> arguments =
        [
            "-accel", "tcg", "-M", "microvm", "-cpu", "max,-erms,-fsrm,-la57", "-m", $"{memory}", "-smp", "1", "-nodefaults", "-no-user-config", "-nographic",
            "-no-reboot", "-serial", "stdio", "-chardev", $"socket,id=ag,path={directory}/agent,server=on,wait=off", "-device", "virtio-serial-device,id=vs",
            "-device", "virtserialport,bus=vs.0,chardev=ag,name=ergon.agent", "-device", "virtio-rng-device", "-kernel", kernel, "-initrd", initramfs, "-append",
            "console=ttyS0 reboot=t panic=-1 quiet tsc=reliable cryptomgr.notests=1 init_on_alloc=0 mitigations=off no_timer_check noreplace-smp lsm= audit=0 " +
            $"random.trust_cpu=1 rcupdate.rcu_expedited=1 tsc_early_khz={TestKernel.TscKilohertz}",
        ];
        foreach (var disk in disks)
        {
            arguments.AddRange(["-drive", $"if=none,id={disk.Serial},file={disk.File},format=raw,cache=unsafe,aio=threads,readonly={(disk.ReadOnly ? "on" : "off")}"]);
            arguments.AddRange(["-device", $"virtio-blk-device,drive={disk.Serial},serial={disk.Serial}"]);
        }

        return arguments;
    }

    /// <summary>Connects, and greets. A former connection ends by that.</summary>
    public async Task<GuestClient> ConnectAsync(long stdout = 0, long stderr = 0)
    {
        using var deadline = new CancellationTokenSource(BootTime);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        while (true)
        {
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), deadline.Token);
                break;
            }
            catch (SocketException) when (!_qemu.HasExited)
            {
                // QEMU has not made its socket yet.
                await Task.Delay(10, deadline.Token);
            }
        }

        var client = new GuestClient(new NetworkStream(socket, ownsSocket: true), stdout, stderr);
        _clients.Add(client);
        var welcomed = await Task.WhenAny(client.Welcome, Task.Delay(BootTime, deadline.Token));
        if (welcomed != client.Welcome) throw new TimeoutException("The guest did not answer.");
        return client;
    }

    /// <summary>Boots, connects, configures and starts a job.</summary>
    public static async Task<(TestGuest Guest, GuestClient Client)> RunAsync(GuestConfiguration configuration, params IReadOnlyList<TestDisk> disks)
    {
        var guest = await BootAsync(scratch: configuration.Scratch is not null, disks: disks);
        try
        {
            var client = await guest.ConnectAsync();
            (await client.ConfigureAsync(configuration)).Should().BeEquivalentTo(new { Code = ReplyCode.Done, Message = "" });
            (await client.StartAsync()).Should().BeEquivalentTo(new { Code = ReplyCode.Done, Message = "" });
            return (guest, client);
        }
        catch
        {
            await guest.DisposeAsync();
            throw;
        }
    }

    /// <summary>A job on busybox.</summary>
    public static GuestConfiguration Job(params IReadOnlyList<string> arguments) => new()
    {
        Root = new GuestDisk("root", 0),
        Scratch = new GuestDisk("scratch", 0),
        Hostname = "guest",
        Arguments = arguments,
        WorkingDirectory = "/",
    };

    public static GuestConfiguration Shell(string script) => Job("sh", "-c", script);

    public async Task WaitForEndAsync()
    {
        using var deadline = new CancellationTokenSource(BootTime);
        await _qemu.WaitForExitAsync(deadline.Token);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) await client.DisposeAsync();
        if (!_qemu.HasExited) _qemu.Kill();
        await _qemu.WaitForExitAsync();
        var console = await _console;
        if (console.Length > 0) TestContext.Current.SendDiagnosticMessage(console);
        await Errors;
        _qemu.Dispose();
        System.IO.Directory.Delete(_directory, recursive: true);
    }
}
