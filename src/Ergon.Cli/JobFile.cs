using System.Text;
using YamlDotNet.Core;

namespace Ergon.Cli;

/// <summary>Reads a job file, JSON or YAML, as the JSON form of a request.</summary>
internal static class JobFile
{
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> when it cannot be read.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(string file)
    {
        try
        {
            var bytes = file == "-" ? await ReadInputAsync() : await File.ReadAllBytesAsync(file);
            if (bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble)) bytes = bytes[Encoding.UTF8.Preamble.Length..];

            // A JSON object begins with a brace; what begins otherwise can only be YAML.
            return bytes.AsSpan().TrimStart(" \t\r\n"u8) is [(byte)'{', ..] ? bytes : YamlReader.ToJson(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.InvalidRequest, $"The job file {file} cannot be read: {e.Message}", innerException: e);
        }
        catch (YamlException e)
        {
            var message = $"The job file {file} is neither JSON nor YAML: line {e.Start.Line}, column {e.Start.Column}: {e.Message}";
            throw new ExecutorException(ErrorCode.InvalidRequest, message, innerException: e);
        }
        catch (FormatException e)
        {
            throw new ExecutorException(ErrorCode.InvalidRequest, $"The job file {file} cannot be a job: {e.Message}.", innerException: e);
        }
    }

    private static async Task<byte[]> ReadInputAsync()
    {
        await using var input = Console.OpenStandardInput();
        using var content = new MemoryStream();
        await input.CopyToAsync(content);
        return content.ToArray();
    }
}
