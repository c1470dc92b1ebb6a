namespace Ergon.MicroVm.Guest.Protocol;

/// <summary>What a frame carries. The numbers are the protocol: they are never given another meaning.</summary>
internal enum FrameType : byte
{
    /// <summary>A single byte without length or payload, skipped: it completes a frame that a former host was cut off in.</summary>
    Padding = 0,

    // Host to guest.
    Hello = 1,
    Configure = 2,
    Start = 3,
    Signal = 4,
    Kill = 5,
    Exec = 6,
    Input = 7,
    InputEnd = 8,
    Resize = 9,
    Close = 10,
    Acknowledge = 11,
    Stats = 12,
    Collect = 13,
    Shutdown = 14,
    Settle = 15,
    Rehearse = 16,

    // Guest to host.
    Welcome = 64,
    Reply = 65,
    Output = 66,
    OutputEnd = 67,
    Exited = 68,
    InputAcknowledge = 69,
}
