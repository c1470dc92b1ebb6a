namespace Ergon.Linux;

/// <summary>Kinds of namespaces, as <c>unshare</c> and <c>setns</c> name them.</summary>
[Flags]
internal enum Namespaces
{
    None = 0,
    FileSystemContext = 0x200,
    Mount = 0x20000,
    HostName = 0x4000000,
    Ipc = 0x8000000,
    User = 0x10000000,
    Process = 0x20000000,
    Network = 0x40000000,
}

internal sealed unsafe partial class LaunchScript
{
    private const int CloseRangeUnshare = 2;
    private const int CloseRangeCloseOnExec = 4;
    private const int AddressFamilyInet = 2;
    private const int SocketDatagram = 2;
    private const int SetInterfaceFlags = 0x8914;
    private const short InterfaceUpAndRunning = 0x41;

    /// <summary>
    /// Gives the thread a file descriptor table of its own, in which nothing but 0 to 2 outlives an exec, whatever other libraries in
    /// this process opened without close-on-exec. Kernels before 5.11 rely on close-on-exec alone.
    /// </summary>
    public void IsolateDescriptors() => Call(
        "close inherited file descriptors", SystemCallNumbers.CloseRange, 3, -1, CloseRangeUnshare | CloseRangeCloseOnExec,
        tolerated: Errno.NoSystemCall, alsoTolerated: Errno.Invalid);

    public void Unshare(Namespaces kinds) => Call($"create namespaces ({kinds})", SystemCallNumbers.Unshare, (nint)kinds);

    /// <summary>Enters the namespace behind a descriptor.</summary>
    public void Enter(int descriptor, Namespaces kind) =>
        Call($"enter the namespace ({kind})", SystemCallNumbers.SetNamespace, descriptor, (nint)kind);

    public void SetHostName(string name)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(name);
        Call($"set the host name {name}", SystemCallNumbers.SetHostName, Arena.Bytes(bytes), bytes.Length);
    }

    /// <summary>Switches the loopback interface of the thread's network namespace on.</summary>
    public void BringLoopbackUp()
    {
        var socket = NewSlot();
        var request = Arena.Allocate(40); // struct ifreq: 16 bytes of name, then the flags
        "lo"u8.CopyTo(new Span<byte>((void*)request, 16));
        *(short*)(request + 16) = InterfaceUpAndRunning;
        Call("open a socket", SystemCallNumbers.Socket, AddressFamilyInet, SocketDatagram | Libc.CloseOnExec, result: socket);
        Call("switch the loopback interface on", SystemCallNumbers.Ioctl, socket, SetInterfaceFlags, request);
    }
}
