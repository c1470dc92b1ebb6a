using System.Collections.Concurrent;
using Ergon.Tests.Faults;

[assembly: AssemblyFixture(typeof(UnobservedExceptions))]

namespace Ergon.Tests.Faults;

/// <summary>Fails the run when a task failed that nobody looked at: the engine leaves none behind, whatever its driver does.</summary>
public sealed class UnobservedExceptions : IDisposable
{
    private readonly ConcurrentQueue<Exception> _seen = new();

    public UnobservedExceptions() => TaskScheduler.UnobservedTaskException += Note;

    public void Dispose()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        TaskScheduler.UnobservedTaskException -= Note;
        if (!_seen.IsEmpty) throw new AggregateException("Tasks failed that nobody looked at.", _seen);
    }

    private void Note(object? sender, UnobservedTaskExceptionEventArgs e) => _seen.Enqueue(e.Exception.InnerException ?? e.Exception);
}
