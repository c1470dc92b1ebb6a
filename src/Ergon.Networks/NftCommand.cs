using System.ComponentModel;
using CliWrap;
using CliWrap.Buffered;

namespace Ergon.Networks;

/// <summary>Runs <c>nft</c> and other commands of the system's administrator.</summary>
internal sealed class NftCommand(TimeProvider time)
{
    // A service's PATH may lack them, and that of an ordinary user does.
    private static readonly string[] AdministratorDirectories = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    /// <summary>Where a command is, or <see langword="null"/>.</summary>
    public static string? Find(string command) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Concat(AdministratorDirectories)
        .Select(d => Path.Combine(d, command)).FirstOrDefault(File.Exists);

    /// <summary>Changes the rules all at once or, when one of the statements is refused, not at all.</summary>
    public async ValueTask ApplyAsync(string statements, CancellationToken cancellationToken)
    {
        var result = await RunAsync("nft", ["-f", "-"], statements, cancellationToken);
        if (!result.IsSuccess) throw Refused(result.StandardError);
    }

    /// <summary>Asks the kernel whether it would take the statements; its answer, or <see langword="null"/> for yes.</summary>
    public async ValueTask<string?> CheckAsync(string statements, CancellationToken cancellationToken)
    {
        var result = await RunAsync("nft", ["-c", "-f", "-"], statements, cancellationToken);
        return result.IsSuccess ? null : FirstLine(result.StandardError);
    }

    /// <summary>Lists something, as text of the JSON form.</summary>
    public async ValueTask<string> ListAsync(IReadOnlyList<string> what, CancellationToken cancellationToken)
    {
        var result = await RunAsync("nft", ["-j", "list", .. what], "", cancellationToken);
        return result.IsSuccess ? result.StandardOutput : throw Refused(result.StandardError);
    }

    public async ValueTask<BufferedCommandResult> RunAsync(string command, IReadOnlyList<string> arguments, string input, CancellationToken cancellationToken)
    {
        if (Find(command) is not { } path) throw Missing(command);
        using var deadline = new CancellationTokenSource(Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await Cli.Wrap(path).WithArguments(arguments).WithStandardInputPipe(PipeSource.FromString(input))
                .WithEnvironmentVariables(e => e.Set("LC_ALL", "C")).WithValidation(CommandResultValidation.None).ExecuteBufferedAsync(either.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"'{command}' did not end within {Deadline.TotalSeconds:0} s.", innerException: e);
        }
        catch (Win32Exception e)
        {
            throw new ExecutorException(ErrorCode.BackendUnavailable, $"'{path}' cannot be run: {e.Message}.", innerException: e);
        }
    }

    private static ExecutorException Missing(string command) =>
        new(ErrorCode.BackendUnavailable, $"The command '{command}' was not found; bridge networks need it. Install the package 'nftables'.");

    private static ExecutorException Refused(string error) =>
        new(ErrorCode.BackendFailed, $"nft refused the rules of a bridge network: {FirstLine(error)}. 'ergon doctor' tells what is missing here.");

    private static string FirstLine(string text) => text.Trim().Split('\n')[0];
}
