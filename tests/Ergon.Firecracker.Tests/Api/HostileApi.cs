using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Ergon.Linux;

namespace Ergon.Firecracker.Tests.Api;

/// <summary>Listens where Firecracker would, and answers every connection with bytes of the test's choice: a guest may have taken Firecracker over.</summary>
internal sealed class HostileApi : IDisposable
{
    public const string Name = "hostile.sock";

    private readonly Socket _listener;
    private readonly ConcurrentBag<Socket> _clients = []; // held, so that no connection ends by itself

    /// <param name="answer">What it sends; repeated without end when it is endless.</param>
    /// <param name="endless">Whether the second half is repeated until nobody takes it.</param>
    /// <param name="closes">Whether it closes the connection afterwards.</param>
    public HostileApi(string answer, string? endless = null, bool closes = true)
    {
        var handle = UnixSocket.Listen(Directory, Name);
        _listener = new Socket(new SafeSocketHandle(handle.DangerousGetHandle(), ownsHandle: true));
        handle.SetHandleAsInvalid();
        _ = ServeAsync(Encoding.UTF8.GetBytes(answer), endless is null ? null : Encoding.UTF8.GetBytes(endless), closes);
    }

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("hostile-").FullName;

    /// <summary>What was sent to it first.</summary>
    public TaskCompletionSource<string> Received { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task ServeAsync(byte[] answer, byte[]? endless, bool closes)
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptAsync(), answer, endless, closes);
        }
        catch (SocketException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket client, byte[] answer, byte[]? endless, bool closes)
    {
        try
        {
            _clients.Add(client);
            var buffer = new byte[4096];
            var count = await client.ReceiveAsync(buffer);
            Received.TrySetResult(Encoding.UTF8.GetString(buffer, 0, count));
            if (answer.Length > 0) await client.SendAsync(answer);
            while (endless is not null) await client.SendAsync(endless);
            if (closes) client.Dispose();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Nobody listens any more.
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        foreach (var client in _clients) client.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }
}
