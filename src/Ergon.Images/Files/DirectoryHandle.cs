using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Ergon.Images.Tar;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Images.Files;

/// <summary>
/// An open directory. What is done in it is done there, whoever moves it or puts links in its place meanwhile; no operation follows a
/// symbolic link. Names are single components, as <see cref="FileName"/> keeps them.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class DirectoryHandle : IDisposable
{
    private const int NameOffset = 19;
    private readonly SafeFileHandle _handle;

    private DirectoryHandle(SafeFileHandle handle) => _handle = handle;

    /// <summary>What the kernel knows about the directory itself.</summary>
    public FileStatus Status => FileStatus.Of(_handle);

    private int Number => Descriptors.Number(_handle);

    /// <summary>Opens a directory by its path; links in the path are followed.</summary>
    public static DirectoryHandle Open(string path) => new(Descriptors.Open(path, Libc.ReadOnly | Libc.DirectoryOnly));

    /// <summary>Opens a directory in this one.</summary>
    public DirectoryHandle OpenDirectory(string name) => new(OpenAt(name, Libc.ReadOnly | Libc.DirectoryOnly));

    /// <summary>Opens a file for reading. It never waits, whatever the name turns out to be.</summary>
    public SafeFileHandle OpenFile(string name) => OpenAt(name, Libc.ReadOnly | Libc.NonBlocking);

    /// <summary>Creates a file that must not exist yet, readable by nobody else.</summary>
    public SafeFileHandle CreateFile(string name) => OpenAt(name, Libc.WriteOnly | Libc.Create | Libc.Exclusive, 0x180);

    public FileStatus StatusOf(string name) => FileStatus.Of(_handle, Bytes(name));

    /// <summary>The status of a name; <see langword="null"/> when there is none.</summary>
    public FileStatus? TryStatusOf(string name)
    {
        try
        {
            return StatusOf(name);
        }
        catch (LinuxException e) when (e.Errno == Errno.NoEntry)
        {
            return null;
        }
    }

    public void CreateDirectory(string name)
    {
        fixed (byte* n = Bytes(name)) Check(Libc.MakeDirectoryAt(Number, n, 0x1C0), "make the directory", name);
    }

    public void CreateLink(string name, string target)
    {
        fixed (byte* n = Bytes(name), t = Bytes(target)) Check(Libc.SymbolicLinkAt(t, Number, n), "make the link", name);
    }

    /// <summary>Gives a file of another directory a second name here.</summary>
    public void CreateHardLink(string name, DirectoryHandle other, string existing)
    {
        fixed (byte* n = Bytes(name), e = Bytes(existing)) Check(Libc.LinkAt(other.Number, e, Number, n, 0), "make the hard link", name);
    }

    /// <summary>Removes a name that is not a directory's.</summary>
    public void Remove(string name)
    {
        fixed (byte* n = Bytes(name)) Check(Libc.UnlinkAt(Number, n, 0), "remove", name);
    }

    /// <summary>Removes an empty directory.</summary>
    public void RemoveDirectory(string name)
    {
        fixed (byte* n = Bytes(name)) Check(Libc.UnlinkAt(Number, n, Libc.RemoveDirectory), "remove the directory", name);
    }

    /// <summary>Moves what is here to another directory of the same file system.</summary>
    public void Move(string name, DirectoryHandle other, string newName)
    {
        fixed (byte* o = Bytes(name), n = Bytes(newName)) Check(Libc.RenameAt(Number, o, other.Number, n), "move", name);
    }

    /// <summary>Makes a device or a named pipe.</summary>
    public void CreateNode(string name, FileKind kind, uint major, uint minor)
    {
        var device = ((ulong)(major & ~0xFFFu) << 32) | ((ulong)(major & 0xFFF) << 8) | ((ulong)(minor & ~0xFFu) << 12) | (minor & 0xFF);
        fixed (byte* n = Bytes(name)) Check(Libc.MakeNodeAt(Number, n, (uint)kind | 0x180, device), "make the special file", name);
    }

    /// <summary>Gives a name, not what it may link to, to a user and a group.</summary>
    public void ChangeOwner(string name, uint uid, uint gid)
    {
        fixed (byte* n = Bytes(name)) Check(Libc.ChangeOwnerAt(Number, n, uid, gid, Libc.LinksThemselves), "give to its owner", name);
    }

    /// <summary>Sets the permissions of a name that is no link.</summary>
    public void ChangeMode(string name, uint mode)
    {
        fixed (byte* n = Bytes(name)) Check(Libc.ChangeModeAt(Number, n, mode, 0), "change the permissions of", name);
    }

    /// <summary>Sets an extended attribute; false where the file system has none of this kind.</summary>
    public bool SetAttribute(string name, ExtendedAttribute attribute)
    {
        fixed (byte* path = Bytes($"/proc/self/fd/{Number}/{name}"), a = Bytes(attribute.Name), v = attribute.Value)
        {
            if (Libc.SetAttribute(path, a, v, attribute.Value.Length, 0) == 0) return true;
            var errno = Marshal.GetLastPInvokeError();
            return errno == Errno.NotSupported ? false : throw new LinuxException($"set the attribute {attribute.Name} of '{FileName.Show(name)}'", errno);
        }
    }

    /// <summary>Sets the time of change of a name, not of what it may link to.</summary>
    public void SetModified(string name, long seconds)
    {
        var times = stackalloc TimeSpec[2];
        times[0] = new TimeSpec { Nanoseconds = TimeSpec.Omit };
        times[1] = new TimeSpec { Seconds = seconds };
        fixed (byte* n = Bytes(name)) _ = Libc.SetTimesAt(Number, n, times, Libc.LinksThemselves);
    }

    public void ChangeMode(uint mode) => Check(Libc.ChangeMode(Number, mode), "change the permissions of", ".");

    public void SetModified(long seconds) => SetModified(_handle, seconds);

    /// <summary>Sets the time of change of an open file; what the file system cannot keep stays as it is.</summary>
    public static void SetModified(SafeFileHandle handle, long seconds)
    {
        var times = stackalloc TimeSpec[2];
        times[0] = new TimeSpec { Nanoseconds = TimeSpec.Omit };
        times[1] = new TimeSpec { Seconds = seconds };
        _ = Libc.SetTimes(Descriptors.Number(handle), times);
    }

    public string ReadLink(string name)
    {
        var buffer = stackalloc byte[FileName.MaxPath + 1];
        fixed (byte* n = Bytes(name))
        {
            var length = Check(Libc.ReadLinkAt(Number, n, buffer, FileName.MaxPath + 1), "read the link", name);
            return FileName.Encoding.GetString(buffer, (int)length);
        }
    }

    /// <summary>All names in it, in the order of their bytes.</summary>
    public List<string> Names()
    {
        // A second descriptor, since the stream takes one over.
        var descriptor = OpenAt(".", Libc.ReadOnly | Libc.DirectoryOnly);
        var stream = Libc.OpenDirectoryStream(Descriptors.Number(descriptor));
        if (stream == 0)
        {
            descriptor.Dispose();
            throw new LinuxException("read a directory", Marshal.GetLastPInvokeError());
        }

        descriptor.SetHandleAsInvalid();
        try
        {
            List<string> names = [];
            while (Next(stream) is { } name)
                if (name is not ("." or "..")) names.Add(name);
            names.Sort(StringComparer.Ordinal);
            return names;
        }
        finally
        {
            _ = Libc.CloseDirectoryStream(stream);
        }
    }

    /// <summary>The extended attributes of a name that the kernel shows to this process.</summary>
    public List<ExtendedAttribute> ExtendedAttributes(string name)
    {
        List<ExtendedAttribute> attributes = [];
        fixed (byte* path = Bytes($"/proc/self/fd/{Number}/{name}"))
        {
            var size = Libc.ListAttributes(path, null, 0);
            if (size <= 0) return attributes;
            var list = new byte[size];
            fixed (byte* l = list) size = Libc.ListAttributes(path, l, size);
            if (size <= 0) return attributes;
            foreach (var one in FileName.Encoding.GetString(list, 0, (int)size).Split('\0', StringSplitOptions.RemoveEmptyEntries))
                if (Value(path, one) is { } value) attributes.Add(new ExtendedAttribute(one, value));
        }

        return attributes;
    }

    public void Dispose() => _handle.Dispose();

    private static byte[]? Value(byte* path, string attribute)
    {
        fixed (byte* name = Bytes(attribute))
        {
            var size = Libc.GetAttribute(path, name, null, 0);
            if (size < 0) return null;
            var value = new byte[size];
            fixed (byte* v = value) return size == 0 || Libc.GetAttribute(path, name, v, size) == size ? value : null;
        }
    }

    private static string? Next(nint stream)
    {
        // The end and an error look the same but for errno, which is cleared before the call.
        var entry = Libc.ReadDirectory(stream);
        if (entry != null) return FileName.Encoding.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(entry + NameOffset));
        return Marshal.GetLastPInvokeError() is 0 ? null : throw new LinuxException("read a directory", Marshal.GetLastPInvokeError());
    }

    private SafeFileHandle OpenAt(string name, int flags, uint mode = 0)
    {
        fixed (byte* n = Bytes(name))
            return new SafeFileHandle((int)Check(Libc.OpenAt(Number, n, flags | Libc.NoFollow | Libc.CloseOnExec, mode), "open", name), ownsHandle: true);
    }

    private static nint Check(nint result, string what, string name) => result >= 0 ? result : throw new LinuxException($"{what} '{FileName.Show(name)}'", Marshal.GetLastPInvokeError());

    private static byte[] Bytes(string name) => FileName.Encoding.GetBytes(name + '\0');
}
