using Ergon.Images.Tar;

namespace Ergon.Images.Layers;

/// <summary>A layer: a tar archive, perhaps compressed.</summary>
/// <param name="Name">What messages call it.</param>
/// <param name="DiffId">The digest of the uncompressed archive.</param>
/// <param name="OpenAsync">Opens the bytes as they are stored; may be called several times.</param>
internal sealed record ImageLayer(string Name, string DiffId, Func<CancellationToken, ValueTask<Stream>> OpenAsync)
{
    /// <summary>Reads the whole layer and verifies its digest.</summary>
    /// <param name="visit">Called for every entry in order, while its content can be read.</param>
    /// <param name="limits">What the layer may cost.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public async Task ReadAsync(Func<TarEntry, TarReader, ValueTask> visit, TarLimits limits, CancellationToken cancellationToken)
    {
        try
        {
            var content = new HashingStream(await Compression.DecompressAsync(await OpenAsync(cancellationToken), cancellationToken));
            await using (content)
            {
                using var reader = new TarReader(content, limits);
                while (await reader.NextAsync(cancellationToken) is { } entry) await visit(entry, reader);
                await reader.DrainAsync(cancellationToken);
                if (content.Digest != DiffId) throw new InvalidDataException($"Its content is not what the image's configuration names: {DiffId} is expected, {content.Digest} was read.");
            }
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"The layer {Name} cannot be used. {e.Message}", e);
        }
    }

    /// <summary>All entries, without their content.</summary>
    public async Task<IReadOnlyList<TarEntry>> IndexAsync(TarLimits limits, CancellationToken cancellationToken)
    {
        List<TarEntry> entries = [];
        await ReadAsync(
            (entry, _) =>
            {
                entries.Add(entry);
                return ValueTask.CompletedTask;
            },
            limits,
            cancellationToken);
        return entries;
    }
}
