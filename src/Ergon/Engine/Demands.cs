namespace Ergon.Engine;

/// <summary>What can be asked of an execution that has not ended.</summary>
internal sealed class Demands
{
    public static Demands None { get; } = new();

    public TaskCompletionSource<StopCause> Stop { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Kill { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Detach { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Cancelled when a pending execution is to be given up.</summary>
    public CancellationTokenSource Prepare { get; } = new();
}
