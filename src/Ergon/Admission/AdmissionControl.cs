namespace Ergon.Admission;

/// <summary>
/// Decides when an execution may begin: at once when there is room, after those that came before it when there is none, never when too
/// many wait already. One may be shared by several executors of a process.
/// </summary>
public sealed class AdmissionControl
{
    private readonly Lock _lock = new();
    private readonly SortedSet<AdmissionTicket> _queue = new(AdmissionTicket.Order);
    private volatile AdmissionOptions _options;
    private Amounts _total;
    private Amounts _taken;
    private long _tickets;
    private bool _numbered = true;

    /// <summary>Creates a control.</summary>
    public AdmissionControl(AdmissionOptions options)
    {
        _options = options;
        _total = Amounts.Limit(options.Total, options.MaxExecutions);
    }

    /// <summary>How many executions have their share.</summary>
    public int Admitted
    {
        get { lock (_lock) return (int)_taken.Executions; }
    }

    /// <summary>How many executions wait.</summary>
    public int Queued
    {
        get { lock (_lock) return _queue.Count; }
    }

    /// <summary>
    /// Takes other limits from now on. Who has its share keeps it, also when that is more than there is then; who waits for more than there will
    /// ever be is refused.
    /// </summary>
    internal void Change(AdmissionOptions options)
    {
        lock (_lock)
        {
            _options = options;
            _total = Amounts.Limit(options.Total, options.MaxExecutions);
            foreach (var ticket in _queue.Where(t => !t.Share.Fits(default, _total)).ToList())
            {
                _queue.Remove(ticket);
                ticket.Refuse();
            }

            _numbered = false;
            GrantNext();
        }
    }

    /// <summary>Adds a problem for each resource of which no execution can ever have as much.</summary>
    internal void Check(Resources resources, RequestProblems problems)
    {
        var options = _options;
        var (one, all, unstated) = (options.PerRequest, options.Total, options.Unstated);
        Check("resources.cpu", resources.Cpu ?? unstated.Cpu, one.Cpu, all.Cpu, static cores => $"{cores} cores");
        Check("resources.memory", resources.Memory ?? unstated.Memory, one.Memory, all.Memory, static bytes => ByteSize.Format((long)bytes));
        Check("resources.disk", resources.Disk ?? unstated.Disk, one.Disk, all.Disk, static bytes => ByteSize.Format((long)bytes));
        Check("resources.gpus", resources.Gpus.Count > 0 ? resources.Gpus.Count : unstated.Gpus, one.Gpus, all.Gpus, static count => $"{count}");

        void Check(string field, double? wanted, double? perRequest, double? total, Func<double, string> format)
        {
            var limit = Math.Min(perRequest ?? double.MaxValue, total ?? double.MaxValue);
            if (wanted > limit) problems.Forbidden(field, $"is {format(wanted.Value)}, but one execution may have at most {format(limit)} here. Ask for less.");
        }
    }

    /// <summary>Takes a share, or a place in the queue.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.ResourcesUnavailable"/> when too many wait.</exception>
    internal AdmissionTicket Enter(ExecutionRequest request)
    {
        lock (_lock)
        {
            var ticket = new AdmissionTicket(this, Amounts.Of(request.Resources, _options.Unstated), request.Priority, ++_tickets);
            if (_queue.Count == 0 && ticket.Share.Fits(_taken, _total))
            {
                Grant(ticket);
                return ticket;
            }

            if (_queue.Count >= _options.MaxQueued)
            {
                throw new ExecutorException(
                    ErrorCode.ResourcesUnavailable,
                    $"There is no room for execution '{request.ExecutionId}': {_taken.Executions} executions have taken what there is, and {_queue.Count} wait already. Try again when some have ended.",
                    request.ExecutionId);
            }

            _queue.Add(ticket);
            _numbered = false;
            return ticket;
        }
    }

    /// <summary>Takes the share of an execution that runs already, whether there is room or not.</summary>
    internal AdmissionTicket Take(ExecutionRequest request)
    {
        lock (_lock)
        {
            var ticket = new AdmissionTicket(this, Amounts.Of(request.Resources, _options.Unstated), request.Priority, ++_tickets);
            Grant(ticket);
            return ticket;
        }
    }

    /// <summary>Gives a share back, or leaves the queue.</summary>
    internal void Leave(AdmissionTicket ticket)
    {
        lock (_lock)
        {
            if (ticket.Left) return;
            ticket.Left = true;
            if (ticket.Granted.IsCompletedSuccessfully) _taken -= ticket.Share;
            else _queue.Remove(ticket);
            _numbered = false;
            GrantNext();
        }
    }

    /// <summary>The place of a ticket in the queue, from 1 on; <see langword="null"/> when it does not wait.</summary>
    internal int? PositionOf(AdmissionTicket ticket)
    {
        lock (_lock)
        {
            if (ticket.Left || ticket.Granted.IsCompleted) return null;
            if (!_numbered)
                foreach (var (i, waiting) in _queue.Index()) waiting.Number = i + 1;
            _numbered = true;
            return ticket.Number;
        }
    }

    // In the order of the queue only: what is small must not keep what is large waiting for ever.
    private void GrantNext()
    {
        while (_queue.Min is { } first && first.Share.Fits(_taken, _total))
        {
            _queue.Remove(first);
            Grant(first);
        }
    }

    private void Grant(AdmissionTicket ticket)
    {
        _taken += ticket.Share;
        ticket.Grant();
    }
}
