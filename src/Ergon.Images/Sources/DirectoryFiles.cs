using System.Runtime.Versioning;
using Ergon.Linux;

namespace Ergon.Images.Sources;

/// <summary>The files of an image layout in a directory.</summary>
[SupportedOSPlatform("linux")]
internal sealed class DirectoryFiles(string path) : IImageFiles
{
    public string Path { get; } = path;

    public Stream? TryOpen(string name)
    {
        try
        {
            return new FileStream(LocalFile.Open(System.IO.Path.Combine(Path, name)), FileAccess.Read, bufferSize: 0);
        }
        catch (LinuxException e) when (e.Errno is Errno.NoEntry or Errno.NotADirectory)
        {
            return null;
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
