namespace Ergon;

/// <summary>How long each phase of an execution may take.</summary>
public sealed record Timeouts
{
    /// <summary>From the call of Start to the start of the job's process: image pull, volumes, networks. Never eats the job's run time.</summary>
    public TimeSpan Prepare { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>From the start of the job's process to its end, without the time in which it is paused. <see langword="null"/>: for ever.</summary>
    public TimeSpan? Run { get; init; }

    /// <summary>Between the stop signal and the kill.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);
}
