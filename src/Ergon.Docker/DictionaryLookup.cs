namespace Ergon.Docker;

internal static class DictionaryLookup
{
    /// <summary>The value of a key; <see langword="null"/> when there is none. The client's models are interfaces that may be null.</summary>
    public static string? GetValueOrDefaultOf(this IDictionary<string, string>? dictionary, string key) =>
        dictionary is not null && dictionary.TryGetValue(key, out var value) ? value : null;
}
