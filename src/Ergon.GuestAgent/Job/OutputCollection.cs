using Ergon.GuestAgent.Channel;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Job;

/// <summary>Sends the outputs as one tar archive, in which each is named by its index.</summary>
internal sealed class OutputCollection : IGuestChannel
{
    private readonly uint _channel;
    private readonly FrameSender _sender;
    private readonly OutputBuffer _buffer;
    private readonly TarWriter _tar;
    private readonly Dictionary<(ulong Device, ulong Inode), string> _linked = [];
    private TaskCompletionSource? _space;
    private ExitedMessage? _exit;
    private bool _exitSent;
    private bool _disposed;

    public OutputCollection(uint channel, int outputs, FrameSender sender)
    {
        (_channel, _sender) = (channel, sender);
        _buffer = new OutputBuffer(channel, 1) { Filled = sender.Pump, Freed = () => Interlocked.Exchange(ref _space, null)?.TrySetResult() };
        _tar = new TarWriter(WriteAsync);
        _ = CollectAsync(outputs);
    }

    public void Acknowledge(byte stream, long offset) => _buffer.Acknowledge(offset);

    public int Compose(Span<byte> frame)
    {
        if (_buffer.Compose(frame) is > 0 and var length) return length;
        if (_exit is null || _exitSent || !_buffer.EndSent) return 0;
        _exitSent = true;
        var payload = _exit.Encode().Span;
        FrameParser.WriteHeader(frame, FrameType.Exited, payload.Length);
        payload.CopyTo(frame[GuestProtocol.HeaderBytes..]);
        return GuestProtocol.HeaderBytes + payload.Length;
    }

    private async Task CollectAsync(int outputs)
    {
        try
        {
            for (var i = 0; i < outputs; i++) await WriteDirectoryAsync(JobRoot.Output(i), $"{i}");
            await _tar.EndAsync();
            _exit = new ExitedMessage(_channel, 0, null, false, "");
        }
        catch (OperationCanceledException)
        {
            return;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _exit = new ExitedMessage(_channel, 1, null, false, e.Message);
        }

        _buffer.End();
        _sender.Pump();
    }

    private async Task WriteDirectoryAsync(string directory, string name)
    {
        await _tar.WriteHeaderAsync(FileStatus.Of(directory) ?? throw new IOException($"{directory} has gone."), name + "/", "");
        foreach (var entry in new DirectoryInfo(directory).EnumerateFileSystemInfos().OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            if (FileStatus.Of(entry.FullName) is not { } status) continue;
            await WriteEntryAsync(entry.FullName, $"{name}/{entry.Name}", status);
        }
    }

    private async Task WriteEntryAsync(string path, string name, FileStatus status)
    {
        if (status.IsDirectory)
        {
            await WriteDirectoryAsync(path, name);
            return;
        }

        if (status.IsLink)
        {
            await _tar.WriteHeaderAsync(status, name, new FileInfo(path).LinkTarget ?? "");
            return;
        }

        // Sockets, pipes and devices mean nothing outside.
        if (!status.IsFile) return;
        if (status.Links > 1 && !_linked.TryAdd((status.Device, status.Inode), name))
        {
            await _tar.WriteHardLinkAsync(status, name, _linked[(status.Device, status.Inode)]);
            return;
        }

        await _tar.WriteHeaderAsync(status, name, "");
        using var file = Descriptors.Open(path, Libc.ReadOnly | Libc.NoFollow);
        await _tar.WriteContentAsync(file, status.Size);
    }

    private async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_disposed) throw new OperationCanceledException("The collection was closed.");
            var count = Math.Min(_buffer.Free.Length, bytes.Length);
            if (count == 0)
            {
                _space = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                await _space.Task;
                continue;
            }

            bytes.Span[..count].CopyTo(_buffer.Free);
            _buffer.Commit(count);
            bytes = bytes[count..];
        }
    }

    public void Dispose()
    {
        _disposed = true;
        _buffer.Dispose();
        Interlocked.Exchange(ref _space, null)?.TrySetResult();
    }
}
