using System.Collections.Concurrent;
using System.Runtime.Versioning;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Runc.Containers;

/// <summary>
/// Copies of runc in memory that nobody can change. No process of a container may get hold of the file of runc (CVE-2019-5736), so runc makes
/// itself a copy for each container, or a mount, and starts anew from that; what is started from one of these has no need to.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class SealedRuntime : IDisposable
{
    // Another runtime may want to know the path that it was started from.
    private const string Runtime = "runc";

    private readonly ConcurrentDictionary<(string Program, DateTime Written, long Length), Lazy<SafeFileHandle>> _copies = new();

    /// <summary>The copy of a program as it is now; <see langword="null"/>: it is not runc, or cannot be read.</summary>
    public SafeFileHandle? Of(string program)
    {
        if (Path.GetFileName(program) != Runtime) return null;
        try
        {
            using var file = File.OpenHandle(program);
            var key = (program, File.GetLastWriteTimeUtc(file), RandomAccess.GetLength(file));
            return _copies.GetOrAdd(key, static key => new Lazy<SafeFileHandle>(() => SealedMemory.Create(Runtime, File.ReadAllBytes(key.Program)))).Value;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        foreach (var copy in _copies.Values.Where(c => c.IsValueCreated)) copy.Value.Dispose();
    }
}
