using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Ergon.Docker.Api;

namespace Ergon.Docker;

/// <summary>Turns what the client throws into errors that say what happened, why, and what to do.</summary>
internal static class EngineErrors
{
    // What Engines call the init process that they put before a job.
    private const string InitBinary = "docker-init";

    public static ExecutorException Translate(Exception e, string what, string address, TimeSpan? timeout = null) => e switch
    {
        ExecutorException known => known,
        EngineApiException api => FromAnswer(api, what),
        JsonException => new ExecutorException(
            ErrorCode.BackendFailed, $"The Docker Engine at {address} did not {what}: its answer makes no sense. {e.Message} Check what listens there.", innerException: e),
        _ when timeout is { } t => new ExecutorException(
            ErrorCode.BackendUnavailable,
            $"The Docker Engine at {address} did not {what} within {Duration.Format(t)}. Look at its log ('journalctl -u docker'), restart it if it hangs.",
            innerException: e),
        _ => new ExecutorException(
            ErrorCode.BackendUnavailable,
            $"The Docker Engine at {address} cannot be reached: {Why(e, address)}. {Remedy(e, address)}",
            innerException: e),
    };

    /// <summary>Whether the Engine is away, as opposed to having answered.</summary>
    public static bool IsConnectionLoss(Exception e) =>
        e is HttpRequestException or SocketException or IOException or TimeoutException or ObjectDisposedException || (e is ExecutorException { Code: ErrorCode.BackendUnavailable });

    public static bool IsNotFound(Exception e) => e is EngineApiException { Status: HttpStatusCode.NotFound };

    /// <summary>Whether a creation failed because the Engine does not have the image.</summary>
    public static bool IsMissingImage(EngineApiException e) =>
        IsNotFound(e) && (e.Message.Contains("No such image", StringComparison.OrdinalIgnoreCase) || IsOtherPlatform(e));

    /// <summary>Whether the Engine has the image, but for another platform.</summary>
    public static bool IsOtherPlatform(EngineApiException e) => IsNotFound(e) && e.Message.Contains("does not match the specified platform", StringComparison.OrdinalIgnoreCase);

    public static bool IsConflict(Exception e) => e is EngineApiException { Status: HttpStatusCode.Conflict };

    private static ExecutorException FromAnswer(EngineApiException api, string what)
    {
        var message = api.Message;
        bool Says(string text) => message.Contains(text, StringComparison.OrdinalIgnoreCase);
        return message switch
        {
            _ when Says("storage-opt") => NotSupported(
                "resources.disk", $"needs a storage driver with quotas: overlay2 on xfs mounted with pquota, btrfs or zfs. Leave it out, or change the Engine's storage. (The Engine says: {message})"),
            _ when Says("no command specified") => NoCommand(),
            _ when Says(InitBinary) => NotSupported(
                SpecParameters.Field("init"), $"needs an init process on the Engine's machine, which it does not find. Install it (Debian: 'apt-get install tini'), or set it to false. (The Engine says: {message})"),
            _ when Says("could not select device driver") => NotSupported(
                "resources.gpus", $"needs NVIDIA's container toolkit on the Engine's machine. Install it, or ask for no GPU. (The Engine says: {message})"),
            _ when Says("adding custom device") => NotSupported(
                "resources.gpus", $"names a device that the Engine's machine does not have. Ask for one that it has, or for no GPU. (The Engine says: {message})"),
            _ when Says("port is already allocated") || Says("address already in use") || Says("no such device") || Says("unknown device") || Says("Range of CPUs") =>
                new ExecutorException(ErrorCode.ResourcesUnavailable, $"The Docker Engine could not {what}: {message}. Ask for what is free here.", innerException: api),
            _ => new ExecutorException(ErrorCode.BackendFailed, $"The Docker Engine could not {what}: {message}.", innerException: api),
        };
    }

    /// <summary>The error of a spec that has no command where the image's does not count, or is not there.</summary>
    public static ExecutorException NoCommand() => new([new RequestProblem(SpecParameters.Field("cmd"), "is missing, and there is no command of the image's to take. Give one.")], executionId: null);

    private static ExecutorException NotSupported(string field, string message) => new([new RequestProblem(field, message, RequestProblemKind.NotSupported)], executionId: null);

    /// <summary>The exit code of a command that the runtime could not run, as a shell would give it; <see langword="null"/> when the failure is another.</summary>
    public static int? ExitCodeOfUnrunnable(string message)
    {
        bool Says(string text) => message.Contains(text, StringComparison.OrdinalIgnoreCase);
        if ((!Says("exec") && !Says("starting container process")) || Says("chdir to cwd") || Says(InitBinary)) return null;
        if (Says("executable file not found") || (Says("no such file or directory") && (Says("stat ") || Says("exec:") || Says("exec "))) || Says("not a directory")) return 127;
        return Says("permission denied") || Says("is a directory") || Says("exec format error") ? 126 : null;
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;

    // What the system calls a socket that is not there is "Cannot assign requested address".
    private static string Why(Exception e, string address) => Innermost(e) switch
    {
        SocketException { SocketErrorCode: SocketError.AddressNotAvailable } when address.StartsWith("unix:", StringComparison.Ordinal) => "there is no such socket",
        SocketException { SocketErrorCode: SocketError.ConnectionRefused } => "nobody listens there",
        var inner => inner.Message.TrimEnd('.'),
    };

    private static string Remedy(Exception e, string address) => Innermost(e) switch
    {
        SocketException { SocketErrorCode: SocketError.AccessDenied } => "This user may not use its socket: run as root, or join the group 'docker'.",
        _ when address.StartsWith("unix:", StringComparison.Ordinal) => "Start it ('systemctl start docker'), install it (Debian: 'apt-get install docker.io'), or set DOCKER_HOST to where it listens.",
        _ => "Check that it runs and that DOCKER_HOST or the Docker context names it.",
    };
}
