using System.Text;
using Ergon.Linux;

namespace Ergon.GuestAgent.Boot;

/// <summary>The kernel's console, which the host keeps: for what cannot be told over the channel.</summary>
internal static unsafe class GuestConsole
{
    private const int StandardError = 2;

    public static void Write(string message)
    {
        var line = Encoding.UTF8.GetBytes($"ergon: {message}\n");
        fixed (byte* bytes = line) _ = Libc.Write(StandardError, bytes, line.Length);
    }
}
