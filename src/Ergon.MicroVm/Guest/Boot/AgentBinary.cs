namespace Ergon.MicroVm.Guest.Boot;

/// <summary>The agent's program.</summary>
internal static class AgentBinary
{
    private const string ResourceName = "guest-agent";

    /// <summary>Whether this build has it.</summary>
    public static bool IsEmbedded => typeof(AgentBinary).Assembly.GetManifestResourceInfo(ResourceName) is not null;

    /// <summary>Reads the agent that is embedded here or, when one is given, from its file.</summary>
    /// <exception cref="InvalidDataException">There is none; the message says what to do.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(string? file, CancellationToken cancellationToken)
    {
        if (file is not null) return await File.ReadAllBytesAsync(file, cancellationToken);
        await using var resource = typeof(AgentBinary).Assembly.GetManifestResourceStream(ResourceName) ?? throw new InvalidDataException(
            "This was built without the guest agent: install gcc, libc6-dev and zlib1g-dev and build again, or name an agent's file in the options.");
        var content = new byte[resource.Length];
        await resource.ReadExactlyAsync(content, cancellationToken);
        return content;
    }
}
