using Ergon.Daemon.Listening;
using Ergon.Daemon.Security;

namespace Ergon.Daemon.Settings;

/// <summary>The settings that are in force, in one piece: whoever takes them has either all of the old ones or all of the new ones.</summary>
internal sealed class LiveSettings(ActiveSettings first)
{
    private ActiveSettings _current = first;

    public ActiveSettings Current => Volatile.Read(ref _current);

    public void Replace(ActiveSettings settings) => Volatile.Write(ref _current, settings);
}

/// <summary>Settings that were checked, with what the files that they name have.</summary>
/// <param name="Options">The settings.</param>
/// <param name="Callers">Who may call over the network, when it is listened on.</param>
/// <param name="Certificates">What the daemon proves with who it is, when the network is listened on.</param>
internal sealed record ActiveSettings(DaemonOptions Options, CallerDirectory? Callers, ServerCertificates? Certificates)
{
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> with everything that is wrong.</exception>
    public static ActiveSettings Load(DaemonOptions options)
    {
        var problems = new RequestProblems();
        var settings = Load(options, problems);
        problems.ThrowIfAny();
        return settings;
    }

    /// <summary>Checks settings and reads the files that they name; adds everything that is wrong.</summary>
    public static ActiveSettings Load(DaemonOptions options, RequestProblems problems)
    {
        SettingsRules.Check(options, problems);
        if (options.Network is not { } network) return new ActiveSettings(options, null, null);
        NetworkEndpoint.CheckAddress(network, problems);
        return new ActiveSettings(options, CallerDirectory.Read(network, problems), ServerCertificates.Read(network, problems));
    }
}
