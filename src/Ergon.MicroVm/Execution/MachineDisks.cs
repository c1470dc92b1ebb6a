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
    /// <summary>The serial number of the root image.</summary>
    public const string RootSerial = "root";

    /// <summary>The serial number of the scratch disk.</summary>
    public const string ScratchSerial = "scratch";

    /// <summary>The disks, and where the guest finds what.</summary>
    public sealed record Made(IReadOnlyList<VmDisk> All, GuestDisk Root, GuestDisk Scratch, IReadOnlyList<GuestInput> Inputs);

    /// <summary>The serial number of an input.</summary>
    public static string InputSerial(int index) => $"input{index}";

    public async Task<Made> MakeAsync(ImageLease image, long scratchBytes, CancellationToken cancellationToken)
    {
        var all = new List<VmDisk>();
        var root = Add(new VmDisk(image.Path, ReadOnly: true, RootSerial));
        var scratch = Add(new VmDisk(await MakeScratchAsync(scratchBytes, cancellationToken), ReadOnly: false, ScratchSerial));
        var inputs = new List<GuestInput>();
        foreach (var input in context.Request.Inputs)
        {
            var name = InputSerial(inputs.Count);
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

    private async Task<string> MakeScratchAsync(long bytes, CancellationToken cancellationToken)
    {
        try
        {
            return await ScratchDisk.MakeAsync(context.WorkDirectory, bytes, cancellationToken);
        }
        catch (IOException e)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, e.Message, context.Request.ExecutionId, e);
        }
    }
}
