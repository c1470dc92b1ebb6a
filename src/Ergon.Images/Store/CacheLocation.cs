using System.Runtime.Versioning;
using Ergon.Linux;

namespace Ergon.Images.Store;

/// <summary>Where things are kept that can be made again.</summary>
[SupportedOSPlatform("linux")]
internal static class CacheLocation
{
    private const string Name = "ergon";

    /// <summary>The directory of a setting, or the customary one of this user (XDG base directories; the file system hierarchy for root).</summary>
    public static string Of(string? setting)
    {
        if (setting is not null) return Path.GetFullPath(setting);
        if (Libc.EffectiveUserId() == 0) return Path.Combine("/var/cache", Name);
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        return Path.Combine(string.IsNullOrEmpty(cache) ? Path.Combine(home, ".cache") : cache, Name);
    }
}
