namespace Ergon.Drivers;

/// <summary>Capabilities of the kernel (capabilities(7)), the names of which may have <c>CAP_</c> before them or not, in capitals or not.</summary>
public static class Capability
{
    private const string Any = "ALL";
    private const string Prefix = "CAP_";

    /// <summary>Whether an operator allows a capability; <c>ALL</c> allows any.</summary>
    public static bool IsAllowed(string name, IEnumerable<string> allowed) => allowed.Any(a => a == Any || NameOf(a) == NameOf(name));

    /// <summary>The name as the kernel has it, such as <c>CAP_NET_ADMIN</c>.</summary>
    public static string NameOf(string name)
    {
        var upper = name.ToUpperInvariant();
        return upper.StartsWith(Prefix, StringComparison.Ordinal) ? upper : Prefix + upper;
    }
}
