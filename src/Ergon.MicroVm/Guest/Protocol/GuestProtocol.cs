namespace Ergon.MicroVm.Guest.Protocol;

/// <summary>The constants of the channel between the host and the guest's agent; docs/guest-protocol.md describes it.</summary>
internal static class GuestProtocol
{
    /// <summary>The version that this code speaks; both sides must speak the same.</summary>
    public const uint Version = 1;

    /// <summary>The name of the virtio-serial port.</summary>
    public const string PortName = "ergon.agent";

    /// <summary>The vsock port on which the agent listens.</summary>
    public const uint VsockPort = 5252;

    /// <summary>The vsock port of the host to which the agent connects once, when it listens: the host then need not ask.</summary>
    public const uint KnockPort = 5253;

    /// <summary>One byte of type and four of length, little-endian.</summary>
    public const int HeaderBytes = 5;

    /// <summary>The most payload in a frame to the guest, except the configuration.</summary>
    public const int MaxHostPayload = 16 * 1024;

    /// <summary>The most payload in a frame that configures the guest: it carries the provision scripts.</summary>
    public const int MaxConfigurationPayload = 16 * 1024 * 1024;

    /// <summary>The most payload in a frame to the host.</summary>
    public const int MaxGuestPayload = 64 * 1024 + 64;

    /// <summary>The most bytes of one output stream that the guest sends before they are acknowledged; it keeps them until then.</summary>
    public const int OutputWindow = 1024 * 1024;

    /// <summary>The most bytes of input that the host sends before they are acknowledged.</summary>
    public const int InputWindow = 256 * 1024;

    /// <summary>The channel of the job itself; those of exec sessions and collections are numbered from 1 by the host.</summary>
    public const uint JobChannel = 0;

    /// <summary>The first bytes of a <see cref="FrameType.Hello"/> payload, found also in the middle of rubbish.</summary>
    public static ReadOnlySpan<byte> HelloMark => "\u0001ergon/guest/hello\n"u8;

    /// <summary>The size of a connection's nonce.</summary>
    public const int NonceBytes = 16;
}
