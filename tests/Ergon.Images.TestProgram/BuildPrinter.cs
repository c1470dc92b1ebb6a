using Microsoft.Extensions.Logging;

namespace Ergon.Images.TestProgram;

/// <summary>Prints "built" for every image that is made.</summary>
internal sealed class BuildPrinter : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (eventId.Id == 3) Console.WriteLine("built");
    }
}
