namespace Ergon.Admission;

/// <summary>The share of one execution, or its place in the queue; disposing gives it back.</summary>
internal sealed class AdmissionTicket(AdmissionControl control, Amounts share, int priority, long sequence) : IDisposable
{
    private readonly TaskCompletionSource _granted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A higher priority first, then whoever came first.</summary>
    public static IComparer<AdmissionTicket> Order { get; } = Comparer<AdmissionTicket>.Create(static (a, b) =>
        a.Priority != b.Priority ? b.Priority.CompareTo(a.Priority) : a.Sequence.CompareTo(b.Sequence));

    public Amounts Share => share;

    public int Priority => priority;

    public long Sequence => sequence;

    /// <summary>Completes when the execution may begin.</summary>
    public Task Granted => _granted.Task;

    /// <summary>The place in the queue, from 1 on.</summary>
    public int? Position => control.PositionOf(this);

    /// <summary>The place in the queue when it was last counted; the control's own.</summary>
    internal int Number { get; set; }

    /// <summary>Whether it was given back; the control's own.</summary>
    internal bool Left { get; set; }

    public void Dispose() => control.Leave(this);

    internal void Grant() => _granted.TrySetResult();

    internal void Refuse()
    {
        _granted.TrySetException(new ExecutorException(
            ErrorCode.ResourcesUnavailable, "The operator has changed what executions may take, and it waited for more than there is now. Ask for less."));

        // Who waits may be gone.
        _ = _granted.Task.Exception;
    }
}
