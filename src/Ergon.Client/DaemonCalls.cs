using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Ergon.Client.Wire;
using Grpc.Core;

namespace Ergon.Client;

/// <summary>
/// Makes the calls of one client: translates errors, tries again when the daemon is away, and keeps the order between what is subscribed
/// to and what is asked for after that.
/// </summary>
internal sealed class DaemonCalls(RemoteExecutorOptions options) : IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    // A call that lasted so long had reached the daemon.
    private static readonly TimeSpan Reached = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _time = options.TimeProvider ?? TimeProvider.System;
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _closed = new();
    private readonly List<Task> _subscriptions = [];

    /// <summary>Makes a call.</summary>
    /// <param name="call">The call.</param>
    /// <param name="outage">Tells afterwards whether it was made more than once.</param>
    /// <param name="timeout">How long an answer may take; <see langword="null"/>: as long as it takes.</param>
    /// <param name="repeatable">Whether it may be made again when nobody knows whether the daemon received it.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<T> RunAsync<T>(
        Func<CallOptions, AsyncUnaryCall<T>> call, Outage outage, TimeSpan? timeout, bool repeatable, CancellationToken cancellationToken)
    {
        while (true)
        {
            ThrowIfClosed();
            cancellationToken.ThrowIfCancellationRequested();
            await AwaitSubscriptionsAsync(cancellationToken);
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closed.Token);
            var begun = _time.GetTimestamp();
            try
            {
                using var made = call(new CallOptions(deadline: DeadlineOf(timeout), cancellationToken: linked.Token));
                return await made.ResponseAsync;
            }
            catch (RpcException e)
            {
                await RecoverAsync(e, outage, begun, repeatable, cancellationToken);
            }
        }
    }

    /// <summary>Reads a stream, opening it again after an outage; what is opened then begins where the caller has come to.</summary>
    public async IAsyncEnumerable<T> ReadAsync<T>(
        Func<CallOptions, AsyncServerStreamingCall<T>> open, AsyncServerStreamingCall<T>? opened, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closed.Token);
        var outage = new Outage();
        try
        {
            while (true)
            {
                ThrowIfClosed();
                if (opened is null) await AwaitSubscriptionsAsync(cancellationToken);
                opened ??= open(new CallOptions(cancellationToken: linked.Token));
                var begun = _time.GetTimestamp();
                RpcException? failure = null;
                while (failure is null)
                {
                    try
                    {
                        if (!await opened.ResponseStream.MoveNext(linked.Token)) yield break;
                    }
                    catch (RpcException e)
                    {
                        failure = e;
                        continue;
                    }

                    outage.End();
                    yield return opened.ResponseStream.Current;
                }

                await RecoverAsync(failure, outage, begun, repeatable: true, cancellationToken);
                opened.Dispose();
                opened = null;
            }
        }
        finally
        {
            opened?.Dispose();
        }
    }

    /// <summary>Opens a stream at once: calls that are made after this one are sent when the daemon has opened it.</summary>
    public AsyncServerStreamingCall<T> Subscribe<T>(Func<CallOptions, AsyncServerStreamingCall<T>> open, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        var call = open(new CallOptions(cancellationToken: cancellationToken));
        lock (_lock)
        {
            _subscriptions.RemoveAll(t => t.IsCompleted);
            _subscriptions.Add(call.ResponseHeadersAsync);
        }

        return call;
    }

    /// <summary>Waits until what was subscribed to exists; whether it does is the reader's business.</summary>
    public async Task AwaitSubscriptionsAsync(CancellationToken cancellationToken)
    {
        Task[] pending;
        lock (_lock)
        {
            if (_subscriptions.Count == 0) return;
            pending = [.. _subscriptions];
        }

        await Task.WhenAll(pending).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock) _subscriptions.RemoveAll(t => t.IsCompleted);
    }

    /// <summary>Waits until it makes sense to try again, or throws what the caller should know.</summary>
    public async Task RecoverAsync(RpcException failure, Outage outage, long begun, bool repeatable, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        cancellationToken.ThrowIfCancellationRequested();
        var meant = failure.ToExecutorException();
        if (meant is { Code: not ErrorCode.ExecutorClosed }) throw meant;
        if (meant is null && !IsLoss(failure)) throw Unexpected(failure);
        if (_time.GetElapsedTime(begun) > Reached) outage.End();
        var since = outage.Begin(_time.GetTimestamp());
        if ((!repeatable && !NeverSent(failure)) || _time.GetElapsedTime(since) >= options.ReconnectTimeout) throw Away(failure);
        try
        {
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closed.Token);
            await Task.Delay(outage.NextPause(FirstPause, LongestPause), _time, linked.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            ThrowIfClosed();
        }
    }

    public void ThrowIfClosed()
    {
        if (_closed.IsCancellationRequested) throw new ExecutorException(ErrorCode.ExecutorClosed, $"The connection to the daemon at {options.Address} has been closed.");
    }

    public void Dispose() => _closed.Cancel();

    /// <summary>The error of a call that failed and will not be made again.</summary>
    public ExecutorException Failed(RpcException failure) =>
        failure.ToExecutorException() ?? (IsLoss(failure) ? Away(failure) : Unexpected(failure));

    private DateTime? DeadlineOf(TimeSpan? timeout) => timeout is { } time && time < TimeSpan.FromDays(365) ? _time.GetUtcNow().UtcDateTime + time : null;

    private static bool IsLoss(RpcException failure) =>
        failure.StatusCode is StatusCode.Unavailable or StatusCode.Cancelled
        || failure.Status.DebugException is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException;

    private static bool NeverSent(RpcException failure) =>
        failure.Status.DebugException is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError };

    private ExecutorException Away(RpcException failure) => new(
        ErrorCode.BackendUnavailable,
        $"The daemon at {options.Address} cannot be reached: {CauseOf(failure)}. Look whether 'ergon serve' runs there, and whether you may use its socket.",
        innerException: failure);

    // What the system said, without the host name that a call over a socket is given; a missing socket is to it an address that cannot be had.
    private static string CauseOf(RpcException failure) => failure.Status.DebugException?.GetBaseException() switch
    {
        SocketException { SocketErrorCode: SocketError.AddressNotAvailable } => "there is no such socket",
        { } cause => cause.Message.TrimEnd('.'),
        null => failure.Status.Detail.TrimEnd('.'),
    };

    private ExecutorException Unexpected(RpcException failure) => failure.StatusCode switch
    {
        StatusCode.DeadlineExceeded => new ExecutorException(
            ErrorCode.BackendUnavailable, $"The daemon at {options.Address} did not answer in time. Look at its load and its log.", innerException: failure),
        StatusCode.Unauthenticated or StatusCode.PermissionDenied => new ExecutorException(
            ErrorCode.NotSupported, $"The daemon at {options.Address} refused the call: {failure.Status.Detail}", innerException: failure),
        StatusCode.ResourceExhausted => new ExecutorException(
            ErrorCode.ResourcesUnavailable, $"The daemon at {options.Address} refused the call: {failure.Status.Detail}", innerException: failure),
        _ => new ExecutorException(
            ErrorCode.BackendFailed, $"The daemon at {options.Address} failed: {failure.StatusCode}: {failure.Status.Detail} Its log says more.", innerException: failure),
    };
}

/// <summary>A time in which the daemon does not answer, as one call sees it.</summary>
internal sealed class Outage
{
    private long? _since;
    private int _tries;

    /// <summary>Whether the call was made before, so that its effect may be there already.</summary>
    public bool Retried { get; private set; }

    public long Begin(long now)
    {
        Retried = true;
        return _since ??= now;
    }

    public void End() => (_since, _tries) = (null, 0);

    public TimeSpan NextPause(TimeSpan first, TimeSpan longest) => TimeSpan.FromTicks(Math.Min(first.Ticks << Math.Min(_tries++, 16), longest.Ticks));
}
