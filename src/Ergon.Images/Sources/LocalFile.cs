using System.Runtime.Versioning;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Images.Sources;

/// <summary>Opens files that a request names.</summary>
[SupportedOSPlatform("linux")]
internal static class LocalFile
{
    /// <summary>Opens a regular file for reading. A named pipe or a device, which would block or never end, is refused.</summary>
    /// <exception cref="InvalidDataException">It is not a regular file.</exception>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static SafeFileHandle Open(string path)
    {
        var handle = Descriptors.Open(path, Libc.ReadOnly | Libc.NonBlocking);
        try
        {
            return FileStatus.Of(handle).IsRegular ? handle : throw new InvalidDataException($"{path} is not a regular file.");
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }
}
