namespace Ergon.Daemon.Security;

/// <summary>What a caller may do.</summary>
[Flags]
internal enum Scopes
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Look at executions, their output and their use of resources.</summary>
    Read = 1,

    /// <summary>Start executions and act on them.</summary>
    Run = 2,

    /// <summary>Remove what others made.</summary>
    Admin = 4,

    /// <summary>Everything.</summary>
    All = Read | Run | Admin,
}

/// <summary>Who calls, and what it may do.</summary>
/// <param name="Name">For the audit log: <c>uid:0</c>, <c>token:ci</c>, <c>certificate:CN=node</c>.</param>
/// <param name="Scopes">What it may do.</param>
internal sealed record Caller(string Name, Scopes Scopes)
{
    public static Caller Unknown { get; } = new("unknown", Scopes.None);
}
