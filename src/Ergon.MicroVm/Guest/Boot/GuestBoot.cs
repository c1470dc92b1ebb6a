using System.Security.Cryptography;

namespace Ergon.MicroVm.Guest.Boot;

/// <summary>What a guest with our agent boots from.</summary>
/// <param name="KernelPath">The kernel, an ELF file.</param>
/// <param name="InitramfsPath">The initial RAM file system with the agent.</param>
/// <param name="KernelArguments">What the kernel is told for every VMM.</param>
/// <param name="Release">The kernel's release.</param>
internal sealed record BootFiles(string KernelPath, string InitramfsPath, string KernelArguments, string Release);

/// <summary>Finds the kernel and makes the initial RAM file system, once for each kernel and kind of machine.</summary>
internal sealed class GuestBoot(MicroVmOptions options, string cache) : IDisposable
{
    // Self-tests of ciphers and slow ways of waiting cost a guest that boots for every job a third of its start; a generator that is
    // seeded by the host at once may trust the processor meanwhile.
    private const string Arguments = "quiet cryptomgr.notests=1 audit=0 random.trust_cpu=1 rcupdate.rcu_expedited=1 8250.nr_uarts=1 console=ttyS0";

    private readonly SemaphoreSlim _making = new(1);
    private readonly Dictionary<(string Kernel, BootModules Modules), BootFiles> _made = [];

    private string Directory => Path.Combine(cache, "boot");

    /// <summary>What to boot.</summary>
    /// <param name="kernel">The kernel of a request; <see langword="null"/>: the operator's.</param>
    /// <param name="modules">What the kind of machine needs.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>: there is no kernel, or no agent.</exception>
    public async Task<BootFiles> GetAsync(string? kernel, BootModules modules, CancellationToken cancellationToken)
    {
        var file = kernel ?? FindKernel();
        await _making.WaitAsync(cancellationToken);
        try
        {
            if (!_made.TryGetValue((file, modules), out var files)) _made[(file, modules)] = files = await MakeAsync(file, modules, cancellationToken);
            return files;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.BackendUnavailable, $"The guest's kernel {file} cannot be used: {e.Message}", innerException: e);
        }
        finally
        {
            _making.Release();
        }
    }

    /// <summary>A kernel as VMMs take it.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: it is no kernel.</exception>
    public async Task<string> KernelAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            return (await KernelImage.OpenAsync(file, Directory, cancellationToken)).Path;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.InvalidRequest, $"{SpecParameters.Field("kernel_image")}: {e.Message}", innerException: e);
        }
    }

    private async Task<BootFiles> MakeAsync(string file, BootModules wanted, CancellationToken cancellationToken)
    {
        var agent = await AgentBinary.ReadAsync(options.AgentPath, cancellationToken);
        var kernel = await KernelImage.OpenAsync(file, Directory, cancellationToken);
        var tree = FindModules(file, kernel.Release) is { } found ? KernelModules.Open(found) : KernelModules.None;
        var early = await tree.ResolveAsync(wanted.Early, [], cancellationToken);
        var late = await tree.ResolveAsync(wanted.Late, early, cancellationToken);
        var network = await tree.ResolveAsync(wanted.Network, [.. early, .. late], cancellationToken);
        using var content = new MemoryStream();
        Initramfs.Write(content, agent.Span, early, late, network);
        var bytes = content.GetBuffer().AsMemory(0, (int)content.Length);
        var path = Path.Combine(Directory, $"initramfs-{Convert.ToHexStringLower(SHA256.HashData(bytes.Span))[..32]}");
        if (!File.Exists(path)) await WriteAsync(path, bytes, cancellationToken);
        return new BootFiles(kernel.Path, path, Arguments, kernel.Release.Length > 0 ? kernel.Release : Path.GetFileName(file));
    }

    private static async Task WriteAsync(string path, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var temporary = $"{path}.{Guid.NewGuid():n}";
        try
        {
            await File.WriteAllBytesAsync(temporary, bytes, cancellationToken);
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private string FindKernel() => options.KernelImage ?? KernelStore.Newest(KernelStore.DirectoryIn(cache)) ?? KernelStore.Newest("/") ??
        throw new ExecutorException(
            ErrorCode.BackendUnavailable, "There is no kernel for guests. Fetch one with 'ergon vm setup', or set the options KernelImage and KernelModules.");

    // A kernel's package has both: boot/vmlinuz-RELEASE and lib/modules/RELEASE.
    private string? FindModules(string kernel, string release)
    {
        if (options.KernelModules is { } given && (options.KernelImage is null || options.KernelImage == kernel)) return given;
        var root = Path.GetDirectoryName(Path.GetDirectoryName(Path.GetFullPath(kernel)));
        return new[] { root, "/" }
            .OfType<string>()
            .SelectMany(r => new[] { Path.Combine(r, "lib/modules", release), Path.Combine(r, "usr/lib/modules", release) })
            .FirstOrDefault(System.IO.Directory.Exists);
    }

    public void Dispose() => _making.Dispose();
}
