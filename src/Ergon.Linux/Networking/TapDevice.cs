using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux.Networking;

/// <summary>Network interfaces whose other end is a descriptor of a process, such as a VMM (tun(4)).</summary>
internal static class TapDevice
{
    public const string Path = "/dev/net/tun";

    private const nuint SetInterface = 0x400454ca;
    private const nuint SetPersistent = 0x400454cb;
    private const nuint SetOwner = 0x400454cc;
    private const ushort Ethernet = 0x0002;
    private const ushort WithoutPacketInformation = 0x1000;
    private const ushort WithOffloadHeader = 0x4000;
    private const ushort MustNotExist = 0x8000;
    private const int MaxAttempts = 100;
    private const int NameLength = 16;
    private const int RequestLength = 40;
    private static readonly TimeSpan BetweenAttempts = TimeSpan.FromMilliseconds(10);

    /// <summary>
    /// Makes a tap that stays when nobody holds it, and that processes of a user may attach to. A process that dies before this has
    /// returned leaves either nothing or a tap that stays.
    /// </summary>
    /// <exception cref="LinuxException">There is one of that name, or it may not be made.</exception>
    public static unsafe void CreatePersistent(string name, uint owner)
    {
        using var tap = Open(name, WithOffloadHeader | MustNotExist);
        var number = Descriptors.Number(tap);
        Libc.Check(Libc.Ioctl(number, SetOwner, (void*)(nuint)owner), $"give {name} to the user {owner}");
        Libc.Check(Libc.Ioctl(number, SetPersistent, (void*)1), $"make {name} persistent");
    }

    /// <summary>Attaches to a tap, making it when there is none: what is read are Ethernet frames that the host sent, and the other way round.</summary>
    /// <exception cref="LinuxException">Somebody is attached to it, or it may not be attached to.</exception>
    public static SafeFileHandle Attach(string name) => Open(name, 0);

    /// <summary>Attaches as <see cref="Attach"/> does, also when somebody is about to let go of it.</summary>
    /// <exception cref="LinuxException">Somebody else is attached to it, or it may not be attached to.</exception>
    public static async Task<SafeFileHandle> AttachAsync(string name)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return Open(name, 0);
            }
            catch (LinuxException e) when (e.Errno == Errno.Busy && attempt < MaxAttempts)
            {
                // A process that is being started has a copy of the descriptor that the tap was made with, until it becomes its program. No
                // one tells when that is.
                await Task.Delay(BetweenAttempts, TimeProvider.System);
            }
        }
    }

    private static unsafe SafeFileHandle Open(string name, int flags)
    {
        var bytes = Encoding.ASCII.GetBytes(name);
        if (bytes.Length is 0 or >= NameLength) throw new ArgumentException($"'{name}' is no name of an interface.", nameof(name));
        var request = stackalloc byte[RequestLength];
        var span = new Span<byte>(request, RequestLength);
        span.Clear();
        bytes.CopyTo(span);
        BinaryPrimitives.WriteUInt16LittleEndian(span[NameLength..], (ushort)(Ethernet | WithoutPacketInformation | flags));
        var tap = Descriptors.Open(Path, Libc.ReadWrite);
        try
        {
            Libc.Check(Libc.Ioctl(Descriptors.Number(tap), SetInterface, request), $"attach to {name}");
            return tap;
        }
        catch
        {
            tap.Dispose();
            throw;
        }
    }
}
