using System.Globalization;
using Ergon.Logs;

namespace Ergon.Engine;

/// <summary>The directory that receives the results of an execution.</summary>
internal static class ResultsDirectory
{
    /// <summary>The names that the executor writes; an output may not take one of them.</summary>
    public static readonly string[] ReservedNames = ["stdout", "stderr", "exit_code", "result.json"];

    private const UnixFileMode Everyone = (UnixFileMode)0b111_111_111;

    /// <summary>
    /// Makes the directory and those of the outputs, which the job may write whoever it is; returns what takes that back when the
    /// start fails.
    /// </summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> when a directory cannot be made.</exception>
    public static Action Prepare(ExecutionRequest request)
    {
        var made = new Stack<string>();
        if (request.ResultsDir is not { } results) return static () => { };
        try
        {
            Make(results, made);
            foreach (var output in request.Outputs)
            {
                var directory = Path.Combine(results, output.Source);
                Make(directory, made);
                if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(directory, Everyone);
            }

            return () => TakeBack(made);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            TakeBack(made);
            throw new ExecutorException(
                ErrorCode.InvalidRequest,
                $"results_dir: {results} cannot be prepared: {e.Message} Name a directory that this user may write.",
                request.ExecutionId,
                e);
        }
    }

    /// <summary>Writes the result and the whole kept output. What cannot be written is told in the returned text.</summary>
    public static string? Write(ExecutionResult result, string? directory, OutputLog log)
    {
        if (directory is null) return null;
        try
        {
            Place(log.PathOf(OutputStream.Stdout), Path.Combine(directory, "stdout"));
            Place(log.PathOf(OutputStream.Stderr), Path.Combine(directory, "stderr"));
            File.WriteAllText(Path.Combine(directory, "exit_code"), result.ExitCode.ToString(CultureInfo.InvariantCulture) + "\n");
            File.WriteAllBytes(Path.Combine(directory, "result.json"), ErgonJson.SerializeResult(result));
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"The results could not be written to {directory}: {e.Message}";
        }
    }

    // Removed first, so that a link that lies there is replaced and not followed.
    private static void Place(string source, string target)
    {
        File.Delete(target);
        if (File.Exists(source)) File.Copy(source, target);
        else File.WriteAllBytes(target, []);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(target, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
    }

    private static void Make(string directory, Stack<string> made)
    {
        var missing = new Stack<string>();
        for (var path = directory; path is not null && !Directory.Exists(path); path = Path.GetDirectoryName(path)) missing.Push(path);
        foreach (var path in missing)
        {
            Directory.CreateDirectory(path);
            made.Push(path);
        }
    }

    private static void TakeBack(Stack<string> made)
    {
        foreach (var directory in made)
        {
            try
            {
                Directory.Delete(directory);
            }
            catch (IOException)
            {
                // Somebody else has put something there: it is theirs.
                continue;
            }
        }
    }
}
