namespace Ergon.Daemon;

/// <summary>Where a daemon keeps its things when nobody says.</summary>
public static class DaemonPaths
{
    /// <summary><c>/var/lib/ergon</c> for root; <c>$XDG_DATA_HOME/ergon</c> or <c>~/.local/share/ergon</c> for others.</summary>
    public static string DataDirectory => Environment.IsPrivilegedProcess && !OperatingSystem.IsWindows()
        ? "/var/lib/ergon"
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "ergon");
}
