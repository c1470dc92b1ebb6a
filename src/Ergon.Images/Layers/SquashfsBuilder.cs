using System.ComponentModel;
using System.Text;
using CliWrap;
using Ergon.Images.Tar;

namespace Ergon.Images.Layers;

/// <summary>Makes a squashfs image of a tar archive that is written for it, with <c>tar2sqfs</c> of squashfs-tools-ng.</summary>
internal static class SquashfsBuilder
{
    private const string Program = "tar2sqfs";

    /// <summary>Makes the image.</summary>
    /// <param name="path">The file; it is replaced. It is incomplete when this throws.</param>
    /// <param name="write">Writes the archive.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ExecutorException">The program is missing, or failed.</exception>
    public static async Task BuildAsync(string path, Func<TarWriter, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        var (complete, gaveUp) = (false, false);
        var errors = new StringBuilder();
        using var abandoned = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var command = Cli.Wrap(Program)
            .WithArguments(["--quiet", "--force", "--no-skip", "--compressor", "lz4", "--num-jobs", $"{Environment.ProcessorCount}", path])
            .WithValidation(CommandResultValidation.None)
            .WithStandardErrorPipe(PipeTarget.ToDelegate(line => { if (errors.Length < 4096) errors.AppendLine(line); }))
            .WithStandardInputPipe(PipeSource.Create(async (input, token) =>
            {
                using var writer = new TarWriter(input);
                try
                {
                    await write(writer, token);
                    complete = true;
                }
                catch (Exception e)
                {
                    // Kept here, since what remains of the archive must not become an image, whatever the program makes of it.
                    (failure, gaveUp) = (e, writer.StreamFailed);
                    if (!gaveUp) await abandoned.CancelAsync();
                }
            }));
        var code = await RunAsync(command, () => failure is not null, abandoned.Token, cancellationToken);
        if (complete && code == 0) return;

        // A program that gives up closes its input: then what it says is the reason, not the broken pipe.
        var said = errors.ToString().Trim();
        if (failure is not null && !gaveUp) throw Translate(failure);
        throw new ExecutorException(ErrorCode.BackendFailed, $"{Program} could not make a block image: {(said.Length > 0 ? said : $"it ended with {code}")}. Is the disk full?", innerException: failure);
    }

    private static async Task<int?> RunAsync(Command command, Func<bool> failed, CancellationToken killed, CancellationToken cancellationToken)
    {
        try
        {
            return (await command.ExecuteAsync(killed)).ExitCode;
        }
        catch (Win32Exception e)
        {
            throw new ExecutorException(ErrorCode.BackendUnavailable, $"Block images are made with {Program}, which is missing: {e.Message} Install it (Debian, Ubuntu: 'apt-get install squashfs-tools-ng').", innerException: e);
        }
        catch (OperationCanceledException) when (failed() && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    private static Exception Translate(Exception failure) => failure is ExecutorException or InvalidDataException or OperationCanceledException
        ? failure
        : new ExecutorException(ErrorCode.StorageFailed, $"What the block image is made of could not be read: {failure.Message}", innerException: failure);
}
