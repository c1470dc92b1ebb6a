namespace Ergon.Runc.Containers;

/// <summary>The text that tells overlayfs what to stack.</summary>
internal static class OverlayOptions
{
    // What mount(2) takes: a page.
    private const int MaxBytes = 4095;

    /// <summary>Puts the text together; layers of one directory are named relative to it.</summary>
    /// <param name="layers">The directories, the topmost first.</param>
    /// <param name="upper">What is written goes here.</param>
    /// <param name="work">A directory of overlayfs's own on the same file system.</param>
    /// <returns>The text, and the directory to be in when it is used.</returns>
    /// <exception cref="ExecutorException">There are too many layers.</exception>
    public static (string Options, string Directory) For(IReadOnlyList<string> layers, string upper, string work)
    {
        var directory = Path.GetDirectoryName(layers[^1]) ?? "/";
        var names = layers.Select(l => Path.GetDirectoryName(l) == directory ? Path.GetFileName(l) : l);
        var options = $"lowerdir={string.Join(':', names.Select(Escape))},upperdir={Escape(upper)},workdir={Escape(work)}";
        // It need not be written to disk when it ends: nobody reads it after that.
        if (Environment.OSVersion.Version >= new Version(5, 10)) options += ",volatile";
        return System.Text.Encoding.UTF8.GetByteCount(options) <= MaxBytes
            ? (options, directory)
            : throw new ExecutorException(ErrorCode.ImageUnavailable, $"The image has {layers.Count} layers, more than overlayfs takes. Build it with fewer layers (docker build --squash, or a multi-stage build).");
    }

    private static string Escape(string path) => path.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal).Replace(",", "\\,", StringComparison.Ordinal);
}
