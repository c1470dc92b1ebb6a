using Microsoft.Extensions.Logging;

namespace Ergon.Images;

internal static partial class ImagesLog
{
    [LoggerMessage(1, LogLevel.Information, "Removed {Path} ({Bytes} bytes) to keep the image store to its size")]
    public static partial void Evicted(this ILogger logger, string path, long bytes);

    [LoggerMessage(2, LogLevel.Warning, "{Path} could not be removed from the image store")]
    public static partial void EvictionFailed(this ILogger logger, string path, Exception exception);

    [LoggerMessage(3, LogLevel.Information, "Made the block image {Path} of {Image} in {Elapsed} ms")]
    public static partial void Built(this ILogger logger, string path, string image, long elapsed);

    [LoggerMessage(4, LogLevel.Debug, "The Docker Engine was not asked for {Image}: {Reason}")]
    public static partial void EngineSkipped(this ILogger logger, string image, string reason);
}
