using Ergon.Client.Wire;
using P = Ergon.Protocol.V1;

namespace Ergon.Client;

/// <content>What is the operator's alone; it takes the scope <c>admin</c>.</content>
public sealed partial class RemoteExecutor
{
    // As good as for ever, and not more than a daemon takes.
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(49);

    /// <summary>Has the daemon take no new executions until that is undone, also after its restart; those that are there go on.</summary>
    /// <param name="wait">How long to wait until no execution is active; <see cref="Timeout.InfiniteTimeSpan"/>: as long as it takes.</param>
    /// <param name="cancellationToken">Cancels the wait, and not the drain.</param>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>; <see cref="ErrorCode.StorageFailed"/>: the daemon could not keep that.</exception>
    public async Task<DaemonDrain> DrainAsync(TimeSpan wait, CancellationToken cancellationToken = default)
    {
        var begun = _time.GetTimestamp();
        var status = await _calls.RunAsync(o => _client.DrainAsync(new P.DrainRequest { Wait = Left().ToWire() }, o), new Outage(), timeout: null, repeatable: true, cancellationToken);
        return Read(status);

        TimeSpan Left()
        {
            if (wait == Timeout.InfiniteTimeSpan || wait > LongestWait) return LongestWait;
            return TimeSpan.FromTicks(Math.Max(0, (wait - _time.GetElapsedTime(begun)).Ticks));
        }
    }

    /// <summary>Has the daemon take new executions again.</summary>
    /// <exception cref="ExecutorException">As <see cref="DrainAsync"/>.</exception>
    public async Task<DaemonDrain> UndoDrainAsync(CancellationToken cancellationToken = default) =>
        Read(await AskAsync(o => _client.DrainAsync(new P.DrainRequest { Undo = true }, o), cancellationToken));

    /// <summary>Tells whether the daemon takes new executions; the scope <c>read</c> is enough.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>.</exception>
    public async Task<DaemonDrain> GetDrainAsync(CancellationToken cancellationToken = default) =>
        Read(await AskAsync(o => _client.GetDrainAsync(new P.GetDrainRequest(), o), cancellationToken));

    /// <summary>Has the daemon read its settings again and take all of those that can be changed while it runs, or none when one is wrong.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>; <see cref="ErrorCode.InvalidRequest"/> with everything that is wrong.</exception>
    public async Task<DaemonReload> ReloadAsync(CancellationToken cancellationToken = default)
    {
        var response = await AskAsync(o => _client.ReloadAsync(new P.ReloadRequest(), o), cancellationToken);
        return new DaemonReload([.. response.Changed], [.. response.NeedRestart]);
    }

    private static DaemonDrain Read(P.DrainStatus status) => new(status.Since?.FromWire(), status.By.Length > 0 ? status.By : null, status.Active);
}

/// <summary>Whether a daemon takes new executions.</summary>
/// <param name="Since">Since when it takes none; <see langword="null"/>: it takes them.</param>
/// <param name="By">Who asked for that, as the audit log names callers.</param>
/// <param name="Active">How many executions have not ended.</param>
public sealed record DaemonDrain(DateTimeOffset? Since, string? By, int Active);

/// <summary>What came of settings that a daemon read again.</summary>
/// <param name="Changed">The settings that are others than before, and hold from now on.</param>
/// <param name="NeedRestart">Those that are others than before and hold only after a restart.</param>
public sealed record DaemonReload(IReadOnlyList<string> Changed, IReadOnlyList<string> NeedRestart);
