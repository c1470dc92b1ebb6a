using Docker.DotNet.Models;

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
        var events = new SynchronousProgress<Message>(e =>
        {
            if (e.Actor?.Attributes?.GetValueOrDefaultOf("execID") == exec) ended.Cancel();
        });

        // Its last events are remembered and come first, so that none is missed between the question and the answer.
        var parameters = new ContainerEventsParameters
        {
            Since = "1",
            Filters = new Dictionary<string, IDictionary<string, bool>>
            {
                ["container"] = new Dictionary<string, bool> { [container] = true },
                ["event"] = new Dictionary<string, bool> { ["exec_die"] = true },
            },
        };
        try
        {
            await engine.CallAsync("list its events", (client, token) => client.System.MonitorEventsAsync(parameters, events, token), ended.Token);
        }
        catch (Exception) when (ended.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // Seen, or not to be seen any more.
        }
    }
}
