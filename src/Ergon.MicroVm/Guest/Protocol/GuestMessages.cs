namespace Ergon.MicroVm.Guest.Protocol;

/// <summary>How far a guest has come.</summary>
internal enum GuestState : byte
{
    /// <summary>It waits for its configuration.</summary>
    Booted = 0,

    /// <summary>Its root is mounted and the job can be started.</summary>
    Configured = 1,

    /// <summary>The job has been started.</summary>
    Started = 2,

    /// <summary>The job and all its processes have ended.</summary>
    Exited = 3,
}

/// <summary>The answer to a <see cref="HelloMessage"/>.</summary>
/// <param name="Version">The guest's version of the protocol.</param>
/// <param name="Nonce">The bytes of the greeting.</param>
/// <param name="State">How far the guest has come.</param>
/// <param name="Kernel">The guest kernel's release.</param>
/// <param name="Uptime">Nanoseconds since the guest's kernel started.</param>
/// <param name="AgentStart">What <paramref name="Uptime"/> was when the agent's program began.</param>
internal sealed record WelcomeMessage(uint Version, ReadOnlyMemory<byte> Nonce, GuestState State, string Kernel, long Uptime, long AgentStart)
{
    /// <summary>The nonce comes first, so that the host finds it among what is left of a former connection.</summary>
    public ReadOnlyMemory<byte> Encode() => new PayloadWriter().Raw(Nonce.Span).UInt32(Version).Byte((byte)State).Text(Kernel).Int64(Uptime).Int64(AgentStart).Payload;

    public static WelcomeMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(payload);
        var nonce = reader.Raw(GuestProtocol.NonceBytes).ToArray();
        var message = new WelcomeMessage(reader.UInt32(), nonce, (GuestState)reader.Byte(), reader.Text(), reader.Int64(), reader.Int64());
        reader.End();
        if (!Enum.IsDefined(message.State)) throw new ProtocolException($"The guest says it is in state {(byte)message.State}.");
        return message;
    }
}

/// <summary>How a request to the guest ended.</summary>
internal enum ReplyCode : byte
{
    Done = 0,

    /// <summary>The request itself is wrong, such as a user that the image does not have: the job's request must be changed.</summary>
    Invalid = 1,

    /// <summary>The guest could not do it.</summary>
    Failed = 2,
}

/// <summary>The answer to a request with a number.</summary>
internal sealed record ReplyMessage(uint Id, ReplyCode Code, string Message, ReadOnlyMemory<byte> Body)
{
    public ReadOnlyMemory<byte> Encode() => new PayloadWriter().UInt32(Id).Byte((byte)Code).Text(Message).Raw(Body.Span).Payload;

    public static ReplyMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(payload);
        var message = new ReplyMessage(reader.UInt32(), (ReplyCode)reader.Byte(), reader.Text(), reader.Rest().ToArray());
        return Enum.IsDefined(message.Code) ? message : throw new ProtocolException($"A reply has the code {(byte)message.Code}.");
    }
}

/// <summary>How the main process of a channel ended.</summary>
/// <param name="Channel">The channel.</param>
/// <param name="ExitCode">Its exit code, when it exited or could not be run (126, 127).</param>
/// <param name="Signal">The signal that ended it.</param>
/// <param name="OutOfMemory">The guest's kernel killed a process of the job for memory.</param>
/// <param name="Message">What a user should be told; empty: nothing.</param>
internal sealed record ExitedMessage(uint Channel, int? ExitCode, int? Signal, bool OutOfMemory, string Message)
{
    public ReadOnlyMemory<byte> Encode() => new PayloadWriter()
        .UInt32(Channel).OptionalInt64(ExitCode).OptionalInt64(Signal).Flag(OutOfMemory).Text(Message).Payload;

    public static ExitedMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(payload);
        var message = new ExitedMessage(reader.UInt32(), Small(reader.OptionalInt64()), Small(reader.OptionalInt64()), reader.Flag(), reader.Text());
        reader.End();
        if (message is { ExitCode: null, Signal: null } or { ExitCode: not null, Signal: not null })
            throw new ProtocolException("An end has neither or both of an exit code and a signal.");
        if (message.Signal is < 1 or > 64) throw new ProtocolException($"The guest reports signal {message.Signal}.");
        return message;
    }

    private static int? Small(long? value) =>
        value is null or (>= 0 and <= 255) ? (int?)value : throw new ProtocolException($"The guest reports an exit with {value}.");
}

/// <summary>What the job uses.</summary>
internal sealed record GuestStats(
    long CpuNanoseconds, long? MemoryBytes, long? Pids, long? NetworkReceivedBytes, long? NetworkSentBytes, long? DiskReadBytes, long? DiskWrittenBytes)
{
    public ReadOnlyMemory<byte> Encode() => new PayloadWriter()
        .Int64(CpuNanoseconds).OptionalInt64(MemoryBytes).OptionalInt64(Pids).OptionalInt64(NetworkReceivedBytes).OptionalInt64(NetworkSentBytes)
        .OptionalInt64(DiskReadBytes).OptionalInt64(DiskWrittenBytes).Payload;

    public static GuestStats Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(payload);
        var stats = new GuestStats(
            reader.Int64(), reader.OptionalInt64(), reader.OptionalInt64(), reader.OptionalInt64(), reader.OptionalInt64(), reader.OptionalInt64(), reader.OptionalInt64());
        reader.End();
        return stats;
    }
}
