using System.Globalization;
using Ergon.Images.Files;

namespace Ergon.MicroVm.Execution;

/// <summary>Brings what a guest sends as its outputs to where the request wants them. The guest is not trusted: its archive is unpacked aside first.</summary>
internal sealed class OutputDirectories(ExecutionRequest request)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Unpacks the archive, in which each output is a directory that is named by its index.</summary>
    /// <param name="archive">What the guest sends.</param>
    /// <param name="mostBytes">How much it may be.</param>
    /// <param name="cancellationToken">Ends it; what has been unpacked is removed.</param>
    public async Task UnpackAsync(Stream archive, long mostBytes, CancellationToken cancellationToken)
    {
        var aside = Path.Combine(request.ResultsDir!, $".{request.ExecutionId}.outputs");
        Directory.CreateDirectory(aside, OwnerOnly);
        try
        {
            await UntrustedArchive.UnpackAsync(archive, aside, new UnpackLimits { MaxBytes = mostBytes }, cancellationToken);
            for (var i = 0; i < request.Outputs.Count; i++)
                Move(Path.Combine(aside, i.ToString(CultureInfo.InvariantCulture)), Path.Combine(request.ResultsDir!, request.Outputs[i].Source));
        }
        finally
        {
            Directory.Delete(aside, recursive: true);
        }
    }

    // The target is there already, made when the request was taken, and nobody has written in it.
    private static void Move(string from, string to)
    {
        if (!Directory.Exists(from)) return;
        foreach (var entry in Directory.EnumerateFileSystemEntries(from))
        {
            var target = Path.Combine(to, Path.GetFileName(entry));
            if (new FileInfo(entry) is { LinkTarget: null } && Directory.Exists(entry)) Directory.Move(entry, target);
            else File.Move(entry, target, overwrite: true);
        }
    }
}
