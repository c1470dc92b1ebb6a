using System.Runtime.Versioning;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Runc.Execution;

/// <summary>A pipe that is at its end when everybody who was given it has closed it: the runtime has ended, and the command is executed.</summary>
[SupportedOSPlatform("linux")]
internal sealed class ReadyPipe : IDisposable
{
    private readonly SafeFileHandle _read;
    private readonly SafeFileHandle _write;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly KernelEvents.Registration _registration;

    public ReadyPipe(KernelEvents events)
    {
        (_read, _write) = Descriptors.Pipe();
        try
        {
            _registration = events.Add(_read, KernelEvents.HungUp, (_, _) => _closed.TrySetResult());
        }
        catch
        {
            _read.Dispose();
            _write.Dispose();
            throw;
        }
    }

    public int WriteDescriptor => Descriptors.Number(_write);

    public void CloseWriter() => _write.Dispose();

    /// <summary>Completes when everybody has closed it.</summary>
    public Task Closed => _closed.Task;

    public void Dispose()
    {
        _registration.Dispose();
        _read.Dispose();
        _write.Dispose();
    }
}
