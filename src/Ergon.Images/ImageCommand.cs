namespace Ergon.Images;

/// <summary>Combines what an image says about its command with what a spec says, as Docker does.</summary>
internal static class ImageCommand
{
    /// <summary>The whole argument vector; empty when neither says anything.</summary>
    /// <param name="entrypoint">The spec's own; a single empty text is Docker's way to have none.</param>
    /// <param name="cmd">The spec's own.</param>
    /// <param name="imageEntrypoint">The image's.</param>
    /// <param name="imageCmd">The image's.</param>
    public static IReadOnlyList<string> Combine(
        IReadOnlyCollection<string>? entrypoint, IReadOnlyCollection<string>? cmd, IReadOnlyCollection<string>? imageEntrypoint, IReadOnlyCollection<string>? imageCmd)
    {
        var isReset = entrypoint is { Count: 1 } && entrypoint.First().Length == 0;

        // An entrypoint of the spec's own drops the image's command.
        var command = cmd is { Count: > 0 } ? cmd : entrypoint is { Count: > 0 } ? [] : imageCmd ?? [];
        return [.. isReset ? [] : entrypoint ?? imageEntrypoint ?? [], .. command];
    }
}
