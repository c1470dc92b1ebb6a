namespace Ergon.Drivers;

/// <summary>The waiting sandboxes of one kind, and how many there should be.</summary>
internal sealed class WarmShelf<TKind, TSandbox>(TKind kind, TimeSpan idleTime)
    where TSandbox : class
{
    private static readonly TimeSpan Burst = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(30);

    private readonly Queue<TSandbox> _waiting = new();
    private readonly Queue<DateTimeOffset> _asked = new();
    private DateTimeOffset _burstAt;
    private DateTimeOffset _restUntil;
    private int _burst;

    public TKind Kind => kind;

    /// <summary>How many wait or are being made.</summary>
    public int Count => _waiting.Count + Making;

    /// <summary>How many wait.</summary>
    public int Waiting => _waiting.Count;

    /// <summary>How many are being made.</summary>
    public int Making { get; private set; }

    /// <summary>When one was last asked for.</summary>
    public DateTimeOffset LastAsked { get; private set; }

    /// <summary>Whether nobody has asked for so long that none is kept.</summary>
    public bool IsForgotten(DateTimeOffset now) => now - LastAsked >= idleTime;

    /// <summary>When none is kept any more, if nobody asks.</summary>
    public DateTimeOffset ForgottenAt => DateTimeOffset.MaxValue - LastAsked > idleTime ? LastAsked + idleTime : DateTimeOffset.MaxValue;

    /// <summary>
    /// Notes that one is asked for. As many are kept as were asked for within a second of late; none for what is asked for only once.
    /// </summary>
    public void Ask(DateTimeOffset now)
    {
        if (IsForgotten(now)) (_burst, _burstAt) = (0, now);
        LastAsked = now;
        _asked.Enqueue(now);
        while (now - _asked.Peek() > Burst && _asked.Count > 2) _asked.Dequeue();
        var recent = _asked.Count(a => now - a <= Burst);
        if (recent < _burst && now - _burstAt < idleTime) return;
        (_burst, _burstAt) = (recent, now);
    }

    /// <summary>How many more should be made.</summary>
    public int Missing(DateTimeOffset now) => _asked.Count < 2 || IsForgotten(now) || now < _restUntil ? 0 : Math.Max(0, Math.Max(1, _burst) - Count);

    public void Begin() => Making++;

    public void Add(TSandbox made)
    {
        Making--;
        _waiting.Enqueue(made);
    }

    /// <summary>Notes that one could not be made; it is not tried again at once.</summary>
    public void Fail(DateTimeOffset now)
    {
        Making--;
        _restUntil = now + Rest;
    }

    /// <summary>Takes the one that has waited longest.</summary>
    public TSandbox? TryTake() => _waiting.TryDequeue(out var sandbox) ? sandbox : null;
}
