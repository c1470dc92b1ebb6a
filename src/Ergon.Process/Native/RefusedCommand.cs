using System.Globalization;
using System.Runtime.Versioning;
using Ergon.Linux;

namespace Ergon.Process.Native;

/// <summary>Remembers, for a later process, that a command could not be run: the exit code in the first line, then why.</summary>
[SupportedOSPlatform("linux")]
internal static class RefusedCommand
{
    private const string Name = "refused";

    public static void Save(string directory, LaunchedCommand command)
    {
        var path = Path.Combine(directory, Name);
        File.WriteAllText(path + ".new", string.Create(CultureInfo.InvariantCulture, $"{command.ExitCode}\n{command.Message}"));
        File.Move(path + ".new", path, overwrite: true);
    }

    public static LaunchedCommand? Load(string directory) =>
        CgroupText.Read(Path.Combine(directory, Name))?.Split('\n', 2) is [var code, var message] && int.TryParse(code, CultureInfo.InvariantCulture, out var number)
            ? new LaunchedCommand(null, number, message)
            : null;
}
