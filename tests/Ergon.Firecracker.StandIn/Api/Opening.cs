using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Firecracker.StandIn.Api;

/// <summary>Opens what a body names, with the real one's words when that fails.</summary>
internal static class Opening
{
    /// <summary>Opens a file.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="writing">Whether it is also written.</param>
    /// <param name="words">The message for a cause.</param>
    public static SafeFileHandle Open(string path, bool writing, Func<string, string> words)
    {
        try
        {
            return Descriptors.Open(path, writing ? Libc.ReadWrite : Libc.ReadOnly);
        }
        catch (LinuxException e)
        {
            throw new FaultException(words(Describe(e.Errno)));
        }
    }

    /// <summary>An error of the system as Rust writes it.</summary>
    public static string Describe(int errno) => $"{Errno.Describe(errno)} (os error {errno})";
}
