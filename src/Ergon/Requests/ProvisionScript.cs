namespace Ergon;

/// <summary>A script that prepares an execution from the inside, before its command.</summary>
public sealed record ProvisionScript
{
    /// <summary>A file name, unique within the request; it appears in the error when the script fails.</summary>
    public required string Name { get; init; }

    /// <summary>The script, byte for byte; without a <c>#!</c> line it is given to <c>/bin/sh</c>.</summary>
    public required ReadOnlyMemory<byte> Content { get; init; }
}
