namespace Ergon.Docker.Tests;

/// <summary>Reports in order and at once, on the thread that reads the answer.</summary>
internal sealed class SynchronousProgress<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
