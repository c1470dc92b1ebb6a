namespace Ergon;

/// <summary>Host data mounted into an execution (input) or brought out of it (output).</summary>
public sealed record StorageVolume
{
    /// <summary>How the data is had; <c>local</c> is a file or directory of this host.</summary>
    public string Type { get; init; } = "local";

    /// <summary>Input: an absolute path on the host. Output: a relative name inside the results directory.</summary>
    public required string Source { get; init; }

    /// <summary>An absolute path inside the execution.</summary>
    public required string Target { get; init; }

    /// <summary>Whether the execution may only read an input. Outputs are always writable.</summary>
    public bool ReadOnly { get; init; }
}
