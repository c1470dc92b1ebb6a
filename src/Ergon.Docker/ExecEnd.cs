namespace Ergon.Docker;

/// <summary>The end of a command inside a container, as the Engine's events tell it.</summary>
internal static class ExecEnd
{
    // How long after a command's output the Engine may take to note its end.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Completes once the Engine has noted the end, also when it did so before; or when it does not.</summary>
    /// <exception cref="ExecutorException">The Engine cannot be asked.</exception>
    /// <exception cref="OperationCanceledException">The token fired.</exception>
    public static async Task WaitAsync(EngineConnection engine, string container, string exec, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ended.CancelAfter(Patience);
        try
        {
            // Its last events are remembered and come first, so that none is missed between the question and the answer.
            await engine.CallAsync(
                "list its events",
                async (client, token) =>
                {
                    await foreach (var e in client.EventsAsync(container, until: null, ["exec_die"], token))
                        if (e.Actor?.Attributes?.GetValueOrDefault("execID") == exec) return;
                },
                ended.Token);
        }
        catch (Exception) when (ended.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // It is not to be seen any more.
        }
    }
}
