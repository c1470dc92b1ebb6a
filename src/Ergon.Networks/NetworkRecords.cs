using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text.Json;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Networks;

/// <summary>
/// The notes of all executors of the machine on the networks that they made, one file each. A network is noted before anything of it
/// exists and until nothing of it does, so that a crash never leaves what no note tells of.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class NetworkRecords(string directory, TimeProvider time)
{
    private const int Exclusive = 2;
    private const int DoNotWait = 4;
    private const string Extension = ".json";
    private const string Unfinished = ".new";

    // Whoever holds the lock runs a few commands that take milliseconds each.
    private static readonly TimeSpan LockDeadline = TimeSpan.FromSeconds(60);

    /// <summary>Keeps every other executor of the machine from changing networks until the result is disposed.</summary>
    public async ValueTask<IDisposable> LockAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var handle = Descriptors.Open(directory, Libc.ReadOnly);
        if (Libc.Lock(Descriptors.Number(handle), Exclusive | DoNotWait) == 0) return handle;
        var taken = Task.Factory.StartNew(() => Take(handle), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await taken.WaitAsync(LockDeadline, time, cancellationToken);
            return handle;
        }
        catch (Exception e)
        {
            // The descriptor must stay open for as long as the thread waits with it.
            _ = taken.ContinueWith(_ => handle.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            if (e is not TimeoutException) throw;
            throw new ExecutorException(ErrorCode.BackendFailed, $"Another process has kept the networks locked for {LockDeadline.TotalSeconds:0} s. Find it with 'lsof {directory}'.", innerException: e);
        }
    }

    /// <summary>Reads all notes. The lock must be held.</summary>
    public async ValueTask<IReadOnlyList<NetworkRecord>> LoadAsync(CancellationToken cancellationToken)
    {
        // Half a note of a process that was killed over it: of its network nothing existed yet. Who holds the lock is writing none.
        foreach (var path in Directory.EnumerateFiles(directory, "*" + Unfinished)) File.Delete(path);
        var records = new List<NetworkRecord>();
        foreach (var path in Directory.EnumerateFiles(directory, NetworkRecord.InterfacePrefix + "*" + Extension).Order(StringComparer.Ordinal))
        {
            await using var stream = File.OpenRead(path);
            try
            {
                if (await JsonSerializer.DeserializeAsync(stream, NetworkJsonContext.Default.NetworkRecord, cancellationToken) is { } record) records.Add(record);
            }
            catch (JsonException e)
            {
                throw new ExecutorException(ErrorCode.StorageFailed, $"{path} is damaged: {e.Message} Remove it together with the network interface of that name.", innerException: e);
            }
        }

        return records;
    }

    public bool Knows(string interfaceName) => File.Exists(PathOf(interfaceName));

    /// <summary>Notes a network. The note is there whole or not at all, also when the process is killed.</summary>
    public async ValueTask AddAsync(NetworkRecord record, CancellationToken cancellationToken)
    {
        var path = PathOf(record.Network.InterfaceName);
        await File.WriteAllBytesAsync(path + Unfinished, JsonSerializer.SerializeToUtf8Bytes(record, NetworkJsonContext.Default.NetworkRecord), cancellationToken);
        File.Move(path + Unfinished, path, overwrite: true);
    }

    public void Remove(NetworkRecord record) => File.Delete(PathOf(record.Network.InterfaceName));

    private static void Take(SafeFileHandle handle)
    {
        while (Libc.Lock(Descriptors.Number(handle), Exclusive) != 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.Interrupted) throw new LinuxException("lock the networks", errno);
        }
    }

    private string PathOf(string interfaceName) => Path.Combine(directory, interfaceName + Extension);
}
