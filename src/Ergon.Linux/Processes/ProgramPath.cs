namespace Ergon.Linux;

/// <summary>Finds a program.</summary>
internal static class ProgramPath
{
    private const string AlsoSearched = ":/usr/local/bin:/usr/bin:/usr/libexec:/usr/sbin";

    /// <summary>The path of a program that is given as a path, or as a name in <c>PATH</c>; <see langword="null"/>: there is none.</summary>
    public static string? Find(string program)
    {
        if (program.Contains('/')) return File.Exists(program) ? Path.GetFullPath(program) : null;
        var path = Environment.GetEnvironmentVariable("PATH") + AlsoSearched;
        return path.Split(':', StringSplitOptions.RemoveEmptyEntries).Select(directory => Path.Combine(directory, program)).FirstOrDefault(File.Exists);
    }
}
