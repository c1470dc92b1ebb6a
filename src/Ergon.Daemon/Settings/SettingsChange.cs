namespace Ergon.Daemon;

/// <summary>What came of settings that were read again.</summary>
/// <param name="Changed">The settings that are others than before, and hold from now on.</param>
/// <param name="NeedRestart">Those that are others than before and hold only after a restart.</param>
public sealed record SettingsChange(IReadOnlyList<string> Changed, IReadOnlyList<string> NeedRestart);
