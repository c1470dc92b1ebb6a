using System.Net;
using System.Net.Sockets;

namespace Ergon.Docker.Tests.Registries;

/// <summary>A way to a registry that is shut until it is opened: what goes through it waits as long as a test needs it to.</summary>
internal sealed class Gate : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _knocked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _left = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _closed = new();
    private readonly string _registry;
    private readonly Task _accepting;

    public Gate(string registry)
    {
        _registry = registry;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Host and port: the registry's part of an image reference.</summary>
    public string Name => _listener.LocalEndpoint.ToString()!;

    /// <summary>Completes when somebody is in front of it.</summary>
    public Task Knocked => _knocked.Task;

    /// <summary>Completes when somebody has left it before it was opened.</summary>
    public Task Left => _left.Task;

    public void Open() => _open.TrySetResult();

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync();
        _listener.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _closed.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> connections = [];
        try
        {
            while (true) connections.Add(PassAsync(await _listener.AcceptTcpClientAsync(_closed.Token)));
        }
        finally
        {
            await Task.WhenAll(connections).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task PassAsync(TcpClient client)
    {
        using var from = client;
        var near = from.GetStream();
        var first = new byte[64 * 1024];
        var read = await near.ReadAsync(first, _closed.Token);
        _knocked.TrySetResult();

        // Nothing more comes before the answer, except the end of the connection.
        var next = new byte[1];
        var end = near.ReadAsync(next, _closed.Token).AsTask();
        await Task.WhenAny(end, _open.Task);
        if (!_open.Task.IsCompleted)
        {
            await ((Task)end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _left.TrySetResult();
            return;
        }

        using var to = new TcpClient();
        await to.ConnectAsync(IPEndPoint.Parse(_registry), _closed.Token);
        var far = to.GetStream();
        await far.WriteAsync(first.AsMemory(0, read), _closed.Token);
        var back = far.CopyToAsync(near, _closed.Token);
        if (await end > 0)
        {
            await far.WriteAsync(next, _closed.Token);
            await near.CopyToAsync(far, _closed.Token);
        }

        to.Client.Shutdown(SocketShutdown.Send);
        await back;
    }
}
