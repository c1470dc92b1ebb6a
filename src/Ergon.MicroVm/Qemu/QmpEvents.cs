using System.Text.Json;
using System.Threading.Channels;

namespace Ergon.MicroVm.Qemu;

/// <summary>The events of one name from a moment on, in their order; none is lost between two reads.</summary>
/// <param name="forget">Ends the watching.</param>
internal sealed class QmpEvents(Action<QmpEvents> forget) : IDisposable
{
    // What nobody reads is of no use when it is old, and QEMU itself may be taken over by a guest.
    private const int MostUnread = 64;

    private readonly Channel<JsonElement> _unread = Channel.CreateBounded<JsonElement>(
        new BoundedChannelOptions(MostUnread) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    /// <summary>The data of the next one.</summary>
    /// <exception cref="IOException">There will be none: QEMU is gone.</exception>
    public async Task<JsonElement> NextAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _unread.Reader.ReadAsync(cancellationToken);
        }
        catch (ChannelClosedException e)
        {
            throw new IOException((e.InnerException ?? e).Message, e);
        }
    }

    public void Add(JsonElement data) => _unread.Writer.TryWrite(data);

    public void End(Exception reason) => _unread.Writer.TryComplete(reason);

    public void Dispose() => forget(this);
}
