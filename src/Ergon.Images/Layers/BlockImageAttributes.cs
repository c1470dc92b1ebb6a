using Ergon.Images.Tar;

namespace Ergon.Images.Layers;

/// <summary>The extended attributes that squashfs can keep.</summary>
internal static class BlockImageAttributes
{
    private static readonly string[] Prefixes = ["user.", "security.", "trusted."];

    public static IReadOnlyList<ExtendedAttribute> Keep(IReadOnlyList<ExtendedAttribute> attributes) =>
        attributes.Count == 0 ? attributes : [.. attributes.Where(a => Prefixes.Any(p => a.Name.StartsWith(p, StringComparison.Ordinal)))];
}
