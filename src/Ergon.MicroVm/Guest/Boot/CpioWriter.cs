using System.Globalization;
using System.Text;

namespace Ergon.MicroVm.Guest.Boot;

/// <summary>Writes a cpio archive in the "newc" form, the one that the kernel unpacks as its first file system.</summary>
internal sealed class CpioWriter(Stream output)
{
    private const int Alignment = 4;
    private const int DirectoryMode = 0x4000 | 0x1ed;
    private const int FileMode = 0x8000;
    private const int CharacterDeviceMode = 0x2000 | 0x180;
    private const string EndName = "TRAILER!!!";

    private int _inode;
    private long _position;

    public void WriteDirectory(string name) => WriteEntry(name, DirectoryMode, []);

    public void WriteFile(string name, int permissions, ReadOnlySpan<byte> content) => WriteEntry(name, FileMode | permissions, content);

    public void WriteCharacterDevice(string name, int major, int minor) => WriteEntry(name, CharacterDeviceMode, [], major, minor);

    /// <summary>Ends the archive; the stream stays open.</summary>
    public void End() => WriteEntry(EndName, 0, []);

    private void WriteEntry(string name, int mode, ReadOnlySpan<byte> content, int major = 0, int minor = 0)
    {
        // Inode numbers and no times: the same files always give the same bytes.
        ReadOnlySpan<int> fields = [++_inode, mode, 0, 0, 1, 0, content.Length, 0, 0, major, minor, Encoding.UTF8.GetByteCount(name) + 1, 0];
        var header = new StringBuilder("070701");
        foreach (var field in fields) header.Append(((uint)field).ToString("x8", CultureInfo.InvariantCulture));
        header.Append(name).Append('\0');
        Write(Encoding.UTF8.GetBytes(header.ToString()));
        Write(content);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        output.Write(bytes);
        _position += bytes.Length;
        while (_position % Alignment != 0)
        {
            output.WriteByte(0);
            _position++;
        }
    }
}
