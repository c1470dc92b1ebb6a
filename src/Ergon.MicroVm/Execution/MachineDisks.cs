using CliWrap;
using CliWrap.Buffered;
using CliWrap.Exceptions;
using Ergon.Drivers;
using Ergon.Images.Files;
using Ergon.Images.Store;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Execution;

/// <summary>Makes the disks of a machine: the root image, the scratch disk, and an image of each input.</summary>
/// <param name="context">The request and its directory.</param>
/// <param name="tellsSerials">Whether guests find a disk by its serial number.</param>
internal sealed class MachineDisks(DriverContext context, bool tellsSerials)
{
    private const string ScratchName = "scratch.ext4";

    /// <summary>The disks, and where the guest finds what.</summary>
    public sealed record Made(IReadOnlyList<VmDisk> All, GuestDisk Root, GuestDisk Scratch, IReadOnlyList<GuestInput> Inputs);

    public async Task<Made> MakeAsync(ImageLease image, long scratchBytes, CancellationToken cancellationToken)
    {
        var all = new List<VmDisk>();
        var root = Add(new VmDisk(image.Path, ReadOnly: true, "root"));
        var scratch = Add(new VmDisk(await MakeScratchAsync(scratchBytes, cancellationToken), ReadOnly: false, "scratch"));
        var inputs = new List<GuestInput>();
        foreach (var input in context.Request.Inputs)
        {
            var name = $"input{inputs.Count}";
            var (path, file) = await MakeInputAsync(input.Source, name, cancellationToken);
            inputs.Add(new GuestInput(Add(new VmDisk(path, ReadOnly: true, name)), file, input.Target));
        }

        return new Made(all, root, scratch, inputs);

        GuestDisk Add(VmDisk disk)
        {
            all.Add(disk);
            return new GuestDisk(tellsSerials ? disk.Serial : "", all.Count - 1);
        }
    }

    // An image of a directory, or of a directory with nothing but the file in it.
    private async Task<(string Path, string FileName)> MakeInputAsync(string source, string name, CancellationToken cancellationToken)
    {
        var image = Path.Combine(context.WorkDirectory, $"{name}.squashfs");
        var alone = File.Exists(source) ? Path.Combine(context.WorkDirectory, name) : null;
        if (alone is not null)
        {
            Directory.CreateDirectory(alone);
            await Task.Run(() => File.Copy(source, Path.Combine(alone, name)), cancellationToken);
        }

        try
        {
            await DirectoryImage.BuildAsync(alone ?? source, image, new DirectoryImageOptions(), static _ => { }, cancellationToken);
            return (image, alone is null ? "" : name);
        }
        catch (InvalidDataException e)
        {
            throw new ExecutorException(ErrorCode.InvalidRequest, $"The input {source} cannot be brought into a guest: {e.Message}", context.Request.ExecutionId, e);
        }
        finally
        {
            if (alone is not null) Directory.Delete(alone, recursive: true);
        }
    }

    // Sparse: it takes up only what the job writes, and that is what it is limited to.
    private async Task<string> MakeScratchAsync(long bytes, CancellationToken cancellationToken)
    {
        var path = Path.Combine(context.WorkDirectory, ScratchName);
        await using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None)) file.SetLength(bytes);
        try
        {
            await Cli.Wrap("mke2fs")
                .WithArguments(["-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0", path])
                .WithEnvironmentVariables(variables => variables.Set("PATH", $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin"))
                .ExecuteBufferedAsync(cancellationToken);
        }
        catch (Exception e) when (e is CommandExecutionException or System.ComponentModel.Win32Exception)
        {
            throw new ExecutorException(
                ErrorCode.BackendFailed, $"The scratch disk could not be made: {e.Message.Trim()} Install e2fsprogs, and see that there is space in {context.WorkDirectory}.",
                context.Request.ExecutionId, e);
        }

        return path;
    }
}
