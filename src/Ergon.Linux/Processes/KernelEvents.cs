using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>
/// Waits, on one thread, for everything that the kernel tells by file descriptor: the end of processes, the end of launches, terminals.
/// </summary>
internal sealed unsafe class KernelEvents : IDisposable
{
    public const uint Readable = 1;
    public const uint Writable = 4;
    public const uint HungUp = 0x10;
    private const uint OneShot = 1u << 30;
    private const uint EdgeTriggered = 1u << 31;

    private const int AddNew = 1;
    private const int Delete = 2;
    private const int Modify = 3;
    private const int BatchSize = 64;

    // struct epoll_event is packed on x86-64 only.
    private static readonly bool Packed = RuntimeInformation.ProcessArchitecture == Architecture.X64;
    private static readonly int EventBytes = Packed ? 12 : 16;
    private static readonly int DataOffset = Packed ? 4 : 8;

    private readonly ConcurrentDictionary<long, Registration> _registrations = new();
    private readonly SafeFileHandle _epoll;
    private readonly SafeFileHandle _wake;
    private readonly Registration _wakeRegistration;
    private long _lastId;
    private volatile bool _stopping;

    /// <param name="ownThread">Whether to wait on a thread of its own; else the caller waits with <see cref="Poll"/>.</param>
    public KernelEvents(bool ownThread = true)
    {
        _epoll = new SafeFileHandle((nint)Libc.Check(Libc.EpollCreate(Libc.CloseOnExec), "create an epoll"), ownsHandle: true);
        _wake = new SafeFileHandle((nint)Libc.Check(Libc.EventFd(0, Libc.CloseOnExec | Libc.NonBlocking), "create an eventfd"), ownsHandle: true);
        _wakeRegistration = Add(_wake, Readable, static (_, _) => { });
        if (ownThread) new Thread(Run, 256 * 1024) { IsBackground = true, Name = "ergon-events" }.UnsafeStart();
    }

    /// <summary>
    /// Calls back, on the waiting thread, when one of the events comes: once, until it is armed again. The callback must be quick.
    /// </summary>
    public Registration Add(SafeHandle descriptor, uint events, Action<Registration, uint> callback)
    {
        var registration = new Registration(this, descriptor, Interlocked.Increment(ref _lastId), callback);
        _registrations[registration.Id] = registration;
        Control(AddNew, registration, events | OneShot, "watch a file descriptor");
        return registration;
    }

    /// <summary>As <see cref="Add"/>, but nothing is watched for before it is armed.</summary>
    public Registration AddUnarmed(SafeHandle descriptor, Action<Registration, uint> callback) => Add(descriptor, 0, callback);

    /// <summary>
    /// Calls back at every change: a descriptor that stays hung up, as a port without its other end does, cannot make the thread spin.
    /// </summary>
    public Registration AddEdgeTriggered(SafeHandle descriptor, uint events, Action<Registration, uint> callback)
    {
        var registration = new Registration(this, descriptor, Interlocked.Increment(ref _lastId), callback);
        _registrations[registration.Id] = registration;
        Control(AddNew, registration, events | EdgeTriggered, "watch a file descriptor");
        return registration;
    }

    private void Control(int operation, Registration registration, uint events, string what)
    {
        var block = stackalloc byte[16];
        *(uint*)block = events;
        *(long*)(block + DataOffset) = registration.Id;
        Libc.Check(Libc.EpollControl(Descriptors.Number(_epoll), operation, Descriptors.Number(registration.Descriptor), block), what);
    }

    /// <summary>Waits for the next events and calls back; returns also when it is woken.</summary>
    /// <param name="wait">Whether to wait when nothing has happened yet.</param>
    public void Poll(bool wait = true)
    {
        var events = stackalloc byte[BatchSize * 16];
        var count = Libc.EpollWait(Descriptors.Number(_epoll), events, BatchSize, wait ? -1 : 0);
        for (var i = 0; i < count; i++)
        {
            var item = events + i * EventBytes;
            if (_registrations.TryGetValue(*(long*)(item + DataOffset), out var registration)) registration.Callback(registration, *(uint*)item);
        }
    }

    private void Run()
    {
        while (!_stopping) Poll();

        _wakeRegistration.Dispose();
        _wake.Dispose();
        _epoll.Dispose();
    }

    public void Dispose()
    {
        if (_stopping) return;
        _stopping = true;
        long one = 1;
        _ = Libc.Write(Descriptors.Number(_wake), &one, sizeof(long));
    }

    /// <summary>A descriptor that is watched; disposing ends that and leaves the descriptor open.</summary>
    internal sealed class Registration(KernelEvents owner, SafeHandle descriptor, long id, Action<Registration, uint> callback) : IDisposable
    {
        public long Id { get; } = id;

        public SafeHandle Descriptor { get; } = descriptor;

        public Action<Registration, uint> Callback { get; } = callback;

        /// <summary>Waits for the next event.</summary>
        public void Arm(uint events) => owner.Control(Modify, this, events | OneShot, "watch a file descriptor again");

        public void Dispose()
        {
            if (!owner._registrations.TryRemove(Id, out _) || owner._epoll.IsClosed) return;
            var held = false;
            try
            {
                // Whoever disposes of the descriptor meanwhile must not free its number for another one, which would then be watched no longer.
                Descriptor.DangerousAddRef(ref held);
                byte ignored;
                _ = Libc.EpollControl(Descriptors.Number(owner._epoll), Delete, Descriptors.Number(Descriptor), &ignored);
            }
            catch (ObjectDisposedException)
            {
                // It is closed, and with that not watched.
            }
            finally
            {
                if (held) Descriptor.DangerousRelease();
            }
        }
    }
}
