using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace Ergon.Firecracker.StandIn.Machine;

/// <summary>QEMU's monitor (QMP).</summary>
internal sealed class QemuMonitor(Action<string, JsonNode?> onEvent)
{
    private readonly SemaphoreSlim _asking = new(1);
    private readonly TaskCompletionSource _greeted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private StreamWriter? _writer;
    private TaskCompletionSource<JsonNode>? _reply;

    public async Task ConnectAsync(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        var stream = new NetworkStream(socket, ownsSocket: true);
        _writer = new StreamWriter(stream) { AutoFlush = true, NewLine = "\n" };
        _ = ReadAsync(new StreamReader(stream));
        await _greeted.Task;
        await ExecuteAsync("qmp_capabilities");
    }

    /// <summary>Executes a command.</summary>
    /// <exception cref="IOException">QEMU refuses, or has ended.</exception>
    public async Task<JsonNode> ExecuteAsync(string command, JsonNode? arguments = null)
    {
        await _asking.WaitAsync();
        try
        {
            _reply = new TaskCompletionSource<JsonNode>(TaskCreationOptions.RunContinuationsAsynchronously);
            var request = new JsonObject { ["execute"] = command };
            if (arguments is not null) request["arguments"] = arguments;
            await _writer!.WriteLineAsync(request.ToJsonString());
            return await _reply.Task;
        }
        finally
        {
            _asking.Release();
        }
    }

    private async Task ReadAsync(StreamReader reader)
    {
        try
        {
            while (await reader.ReadLineAsync() is { } line) Handle(JsonNode.Parse(line)!);
        }
        catch (IOException)
        {
            // QEMU is gone.
        }

        _greeted.TrySetException(new IOException("QEMU ended."));
        _reply?.TrySetException(new IOException("QEMU ended."));
    }

    private void Handle(JsonNode message)
    {
        if (message["QMP"] is not null) _greeted.TrySetResult();
        else if ((string?)message["event"] is { } name) onEvent(name, message["data"]);
        else if (message["return"] is { } value) _reply?.TrySetResult(value);
        else _reply?.TrySetException(new IOException($"QEMU refuses: {(string?)message["error"]?["desc"]}"));
    }
}
