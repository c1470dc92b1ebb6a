using System.Security.Cryptography;
using System.Text;

namespace Ergon.Daemon.Storage;

/// <summary>
/// Encrypts requests, which have secrets in their environment and their registry credentials, with a key that lies in a file of its own:
/// a copy of the database alone tells none of them.
/// </summary>
internal sealed class RequestSeal : IDisposable
{
    private const int KeyBytes = 32;
    private const byte Version = 1;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly int NonceBytes = AesGcm.NonceByteSizes.MaxSize;
    private static readonly int TagBytes = AesGcm.TagByteSizes.MaxSize;

    private readonly AesGcm _cipher;

    private RequestSeal(ReadOnlySpan<byte> key) => _cipher = new AesGcm(key, TagBytes);

    /// <summary>Reads the key, or makes one if <paramref name="create"/> says so.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static RequestSeal Open(string keyFile, bool create)
    {
        try
        {
            if (create && !File.Exists(keyFile)) Create(keyFile);
            var key = File.ReadAllBytes(keyFile);
            try
            {
                if (key.Length == KeyBytes) return new RequestSeal(key);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(key);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"The key {keyFile} cannot be used: {e.Message} Restore the key with which the database was written.", innerException: e);
        }

        throw new ExecutorException(ErrorCode.StorageFailed, $"The key {keyFile} does not have {KeyBytes} bytes. Restore the key with which the database was written.");
    }

    /// <summary>Encrypts what belongs to a place in the database; nothing can be moved to another place.</summary>
    public byte[] Seal(ReadOnlySpan<byte> plain, string place)
    {
        var result = new byte[1 + NonceBytes + TagBytes + plain.Length];
        result[0] = Version;
        var nonce = result.AsSpan(1, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        _cipher.Encrypt(nonce, plain, result.AsSpan(1 + NonceBytes + TagBytes), result.AsSpan(1 + NonceBytes, TagBytes), Encoding.UTF8.GetBytes(place));
        return result;
    }

    /// <summary>Decrypts what <see cref="Seal"/> encrypted for the place; <see langword="null"/> when it did not.</summary>
    public byte[]? Unseal(ReadOnlySpan<byte> box, string place)
    {
        if (box.Length < 1 + NonceBytes + TagBytes || box[0] != Version) return null;
        var plain = new byte[box.Length - 1 - NonceBytes - TagBytes];
        try
        {
            _cipher.Decrypt(box.Slice(1, NonceBytes), box[(1 + NonceBytes + TagBytes)..], box.Slice(1 + NonceBytes, TagBytes), plain, Encoding.UTF8.GetBytes(place));
            return plain;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    public void Dispose() => _cipher.Dispose();

    private static void Create(string keyFile)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        using (var file = new FileStream(keyFile + ".new", options))
        {
            file.Write(RandomNumberGenerator.GetBytes(KeyBytes));
            // Without its key the database is worth nothing: the key is on the disk first.
            file.Flush(flushToDisk: true);
        }

        File.Move(keyFile + ".new", keyFile, overwrite: false);
    }
}
