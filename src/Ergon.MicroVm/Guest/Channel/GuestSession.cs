using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.MicroVm.Guest.Channel;

/// <summary>One channel of a connection, on the host's side: the job, an exec session or a collection of outputs.</summary>
internal sealed class GuestSession
{
    private readonly TaskCompletionSource<ExitedMessage> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _inputLock = new();
    private long _inputSent;
    private long _inputTaken;
    private TaskCompletionSource _inputMoved = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public GuestSession(uint id, long stdout, long stderr, Func<GuestStream, long, CancellationToken, ValueTask> acknowledge)
    {
        Id = id;
        Stdout = new GuestStream(id, OutputStream.Stdout, stdout, acknowledge);
        Stderr = new GuestStream(id, OutputStream.Stderr, stderr, acknowledge);
        _ = _exited.Task.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    public uint Id { get; }

    public GuestStream Stdout { get; }

    public GuestStream Stderr { get; }

    /// <summary>Completes when the guest tells how it ended; fails with an <see cref="IOException"/> when the connection is lost before.</summary>
    public Task<ExitedMessage> Exited => _exited.Task;

    public GuestStream Stream(byte number) => number switch
    {
        (byte)OutputStream.Stdout => Stdout,
        (byte)OutputStream.Stderr => Stderr,
        _ => throw new ProtocolException($"There is no stream {number}."),
    };

    public void End(ExitedMessage message)
    {
        if (!_exited.TrySetResult(message)) throw new ProtocolException($"Channel {Id} ends twice.");
        WakeInput();
    }

    public void Fail(Exception error)
    {
        Stdout.Fail(error);
        Stderr.Fail(error);
        _exited.TrySetException(error);
        WakeInput();
    }

    /// <summary>The guest says how much input it has taken.</summary>
    public void AcknowledgeInput(long offset)
    {
        lock (_inputLock)
        {
            if (offset < _inputTaken || offset > _inputSent) throw new ProtocolException($"Channel {Id} acknowledges {offset} of {_inputSent} bytes of input.");
            _inputTaken = offset;
        }

        WakeInput();
    }

    /// <summary>Waits until some of the input may be sent, and counts it as sent.</summary>
    /// <returns>How many bytes may be sent; 0 when the channel has ended.</returns>
    public async ValueTask<int> ReserveInputAsync(int wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task moved;
            lock (_inputLock)
            {
                if (_exited.Task.IsCompleted) return 0;
                var most = (int)Math.Min(wanted, GuestProtocol.InputWindow - (_inputSent - _inputTaken));
                if (most > 0)
                {
                    _inputSent += most;
                    return most;
                }

                moved = _inputMoved.Task;
            }

            await moved.WaitAsync(cancellationToken);
        }
    }

    private void WakeInput()
    {
        TaskCompletionSource moved;
        lock (_inputLock) (moved, _inputMoved) = (_inputMoved, new(TaskCreationOptions.RunContinuationsAsynchronously));
        moved.TrySetResult();
    }
}
