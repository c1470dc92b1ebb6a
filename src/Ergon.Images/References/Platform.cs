using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Ergon.Images;

/// <summary>A platform: <c>os/architecture[/variant]</c>, in the words that images use.</summary>
internal sealed partial record Platform(string Os, string Architecture, string? Variant)
{
    /// <summary>Linux on this machine's processor.</summary>
    public static Platform Host { get; } = Normalise("linux", RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant(), null);

    public static bool TryParse(string text, [NotNullWhen(true)] out Platform? platform)
    {
        var match = Pattern().Match(text);
        platform = match.Success ? Normalise(match.Groups["os"].Value, match.Groups["arch"].Value, match.Groups["variant"] is { Success: true } v ? v.Value : null) : null;
        return platform is not null;
    }

    /// <summary>A platform from a document; <see langword="null"/> when the document names none.</summary>
    public static Platform? From(string? os, string? architecture, string? variant) =>
        string.IsNullOrEmpty(os) || string.IsNullOrEmpty(architecture) ? null : Normalise(os, architecture, string.IsNullOrEmpty(variant) ? null : variant);

    /// <summary>How well an image of another platform runs here: 0 is not at all, more is better.</summary>
    public int Suits(Platform image)
    {
        if (image.Os != Os || image.Architecture != Architecture) return 0;
        if (image.Variant == Variant) return 1000;

        // v7 runs what was made for v6, and amd64/v3 what was made for amd64: of the lower ones the highest is the best.
        var (mine, its) = (Level(Variant ?? Default), Level(image.Variant ?? Default));
        return mine is null || its is null ? 0 : its > mine ? 0 : 100 + its.Value;
    }

    public override string ToString() => Variant is null ? $"{Os}/{Architecture}" : $"{Os}/{Architecture}/{Variant}";

    private string? Default => Architecture switch
    {
        "amd64" => "v1",
        "arm" => "v7",
        _ => null,
    };

    private static int? Level(string? variant) => variant is ['v', .. var digits] && int.TryParse(digits.AsSpan(0, Math.Min(2, digits.Length)), out var level) ? level : null;

    private static Platform Normalise(string os, string architecture, string? variant) => (architecture, variant) switch
    {
        ("x64" or "x86_64" or "x86-64" or "amd64", "v1" or null) => new(os, "amd64", null),
        ("x64" or "x86_64" or "x86-64", _) => new(os, "amd64", variant),
        ("aarch64" or "arm64", "8" or "v8" or null) => new(os, "arm64", null),
        ("aarch64", _) => new(os, "arm64", variant),
        ("armhf", _) => new(os, "arm", variant ?? "v7"),
        ("armel", _) => new(os, "arm", variant ?? "v6"),
        ("arm", null or "7") => new(os, "arm", "v7"),
        ("arm", "5" or "6" or "8") => new(os, "arm", "v" + variant),
        ("i386" or "x86", _) => new(os, "386", null),
        _ => new(os, architecture, variant),
    };

    [GeneratedRegex(@"\A(?<os>[a-z0-9_]{1,32})/(?<arch>[a-z0-9_\-]{1,32})(?:/(?<variant>[a-z0-9_.]{1,32}))?\z", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Pattern();
}
