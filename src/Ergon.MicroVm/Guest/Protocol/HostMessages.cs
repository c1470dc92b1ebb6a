namespace Ergon.MicroVm.Guest.Protocol;

/// <summary>The first frame of a connection. The guest forgets the former connection and answers with <see cref="WelcomeMessage"/>.</summary>
/// <param name="Version">The host's version of the protocol.</param>
/// <param name="Nonce">Random bytes that the answer repeats.</param>
/// <param name="Time">Now, in nanoseconds since 1970 UTC: the guest sets its clock.</param>
/// <param name="Entropy">Random bytes for the guest's generator.</param>
/// <param name="Stdout">How much of the job's stdout the host has.</param>
/// <param name="Stderr">How much of the job's stderr the host has.</param>
internal sealed record HelloMessage(uint Version, ReadOnlyMemory<byte> Nonce, long Time, ReadOnlyMemory<byte> Entropy, long Stdout, long Stderr)
{
    public ReadOnlyMemory<byte> Encode() => new PayloadWriter()
        .Raw(GuestProtocol.HelloMark).UInt32(Version).Raw(Nonce.Span).Int64(Time).Bytes(Entropy.Span).Int64(Stdout).Int64(Stderr).Payload;

    public static HelloMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(payload);
        if (!reader.Raw(GuestProtocol.HelloMark.Length).SequenceEqual(GuestProtocol.HelloMark)) throw new ProtocolException("A greeting does not begin with its mark.");
        var message = new HelloMessage(
            reader.UInt32(), reader.Raw(GuestProtocol.NonceBytes).ToArray(), reader.Int64(), reader.Bytes().ToArray(), reader.Int64(), reader.Int64());
        reader.End();
        return message;
    }
}

/// <summary>Another command to run inside.</summary>
/// <param name="Id">The number that the reply repeats.</param>
/// <param name="Channel">The channel of its input and output.</param>
/// <param name="Arguments">Its argument vector.</param>
/// <param name="Environment">Added to the job's, as <c>NAME=value</c>.</param>
/// <param name="WorkingDirectory">Where it starts; <see langword="null"/>: where the job did.</param>
/// <param name="Stdin">Whether it reads the channel's input.</param>
/// <param name="Terminal">Whether it gets a terminal.</param>
/// <param name="Columns">The terminal's width.</param>
/// <param name="Rows">The terminal's height.</param>
internal sealed record ExecMessage(
    uint Id, uint Channel, IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment, string? WorkingDirectory, bool Stdin, bool Terminal, int Columns, int Rows)
{
    public ReadOnlyMemory<byte> Encode() => new PayloadWriter()
        .UInt32(Id).UInt32(Channel).Texts(Arguments).Texts(Environment).OptionalText(WorkingDirectory).Flag(Stdin).Flag(Terminal).Int32(Columns).Int32(Rows).Payload;

    public static ExecMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(payload);
        var message = new ExecMessage(
            reader.UInt32(), reader.UInt32(), reader.Texts(), reader.Texts(), reader.OptionalText(), reader.Flag(), reader.Flag(), reader.Int32(), reader.Int32());
        reader.End();
        return message;
    }
}
