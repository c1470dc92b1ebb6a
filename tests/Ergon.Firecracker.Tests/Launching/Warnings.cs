using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Ergon.Firecracker.Tests.Launching;

/// <summary>What was logged as worse than it should be.</summary>
internal sealed class Warnings : IDisposable
{
    private readonly FakeLoggerProvider _provider = new();

    public Warnings() => Factory = new LoggerFactory([_provider]);

    /// <summary>Where it is logged.</summary>
    public ILoggerFactory Factory { get; }

    public IEnumerable<string> Texts => _provider.Collector.GetSnapshot().Where(r => r.Level >= LogLevel.Warning).Select(r => $"{r.Message} {r.Exception}");

    public void Dispose() => Factory.Dispose();
}
