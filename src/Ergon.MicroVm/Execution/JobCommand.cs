using Ergon.Images;
using Ergon.Images.Store;

namespace Ergon.MicroVm.Execution;

/// <summary>What an image and a request together say about the command.</summary>
internal static class JobCommand
{
    private const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>The argument vector.</summary>
    /// <exception cref="ExecutorException">There is none.</exception>
    public static IReadOnlyList<string> Arguments(MicroVmSpec spec, ImageConfiguration image)
    {
        var arguments = ImageCommand.Combine(spec.Entrypoint, spec.Cmd, image.Entrypoint, image.Cmd);
        return arguments.Count > 0
            ? arguments
            : throw new ExecutorException(
                ErrorCode.InvalidRequest, $"{SpecParameters.Field("cmd")}: no command is given, and the image has neither an entrypoint nor a command. Give the command as cmd.");
    }

    /// <summary>The environment: the request's wins over the spec's, and the spec's over the image's.</summary>
    public static IReadOnlyList<string> Environment(ExecutionRequest request, MicroVmSpec spec, ImageConfiguration image, string hostname)
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = DefaultPath, ["HOSTNAME"] = hostname };
        foreach (var variable in image.Env)
        {
            var split = variable.IndexOf('=', StringComparison.Ordinal);
            if (split > 0) variables[variable[..split]] = variable[(split + 1)..];
        }

        foreach (var (name, value) in spec.Environment) variables[name] = value;
        foreach (var (name, value) in request.Environment) variables[name] = value;
        return [.. variables.Select(v => $"{v.Key}={v.Value}")];
    }

    /// <summary>The signal that asks the job to stop.</summary>
    public static Signal StopSignal(MicroVmSpec spec, ImageConfiguration image) =>
        spec.StopSignal ?? (image.StopSignal is { } text && Signal.TryParse(text, out var signal) ? signal : Signal.Terminate);
}
