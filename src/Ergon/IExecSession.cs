namespace Ergon;

/// <summary>A command that runs inside an execution. Disposing it kills the command if it still runs.</summary>
public interface IExecSession : IAsyncDisposable
{
    /// <summary>The command's input; dispose it to end the input. Writing to a command that has ended throws <see cref="IOException"/>.</summary>
    Stream StandardInput { get; }

    /// <summary>The command's output, ending with the command; read it, since a full pipe stops the command.</summary>
    Stream StandardOutput { get; }

    /// <summary>The command's error output; empty with a terminal.</summary>
    Stream StandardError { get; }

    /// <summary>Completes with the exit code when the command has ended; 128+n for signal n; 126/127 when it could not be run.</summary>
    Task<int> WaitAsync(CancellationToken cancellationToken = default);

    /// <summary>Tells the command's terminal its new size.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidState"/> without a terminal.</exception>
    Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken = default);
}
