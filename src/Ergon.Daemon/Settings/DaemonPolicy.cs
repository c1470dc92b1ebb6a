using System.Text.Json;
using Ergon.Admission;
using Ergon.Drivers;
using Ergon.Images;
using Ergon.Process;

namespace Ergon.Daemon;

/// <summary>What the operator of a daemon lets requests ask for. <see langword="null"/>: anything that the executors allow.</summary>
public sealed record DaemonPolicy
{
    private const string Any = "*";

    // Kernels and root file systems are files of the host, as inputs are: they come from the same directories.
    private static readonly string[] PathParameters = ["kernel_image", "initrd_path", "root_file_system"];

    // What a JSON file leaves out is set to null by the reader, in place of what stands here.
    /// <summary>The engine spec types.</summary>
    public IReadOnlyList<string>? Engines { get; init; }

    /// <summary>The images, as requests write them; <c>*</c> stands for any characters: <c>registry.example.com/team/*</c>.</summary>
    public IReadOnlyList<string>? Images { get; init; }

    /// <summary>The networks.</summary>
    public IReadOnlyList<NetworkMode>? Networks { get; init; }

    /// <summary>The capabilities that <c>cap_add</c> may ask for; none unless they are named here.</summary>
    public IReadOnlyList<string> Capabilities { get; init => field = value ?? field; } = [];

    /// <summary>The users that <c>user</c> may ask for in local processes; <c>*</c> allows any.</summary>
    public IReadOnlyList<string> Users { get; init => field = value ?? field; } = [Any];

    /// <summary>The most that one execution may ask for.</summary>
    public ResourceLimits? Resources { get; init; }

    /// <summary>The host directories from which inputs, kernels and images may come and in which results may lie; empty: everywhere.</summary>
    public IReadOnlyList<string> VolumeRoots { get; init => field = value ?? field; } = [];

    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> with everything that is forbidden.</exception>
    internal void Check(ExecutionRequest request)
    {
        var problems = new RequestProblems();
        var type = request.EngineSpec.Type;
        if (Engines is not null && !Engines.Contains(type)) problems.Forbidden("engine_spec.type", $"is '{type}', but this daemon's policy allows {Listed(Engines)} only.");
        if (Networks is not null && !Networks.Contains(request.Network.EffectiveMode))
            problems.Forbidden("network.mode", $"is '{Name(request.Network.EffectiveMode)}', but this daemon's policy allows {Listed(Networks.Select(Name))} only.");
        if (Images is not null && TextOf(request, "image") is { } image && !Images.Any(pattern => Matches(pattern, image)))
            problems.Forbidden("engine_spec.params.image", $"is '{image}', which this daemon's policy does not allow; it allows {Listed(Images)}.");
        if (type == ProcessSpec.Type && TextOf(request, "user") is { } user && !Users.Contains(Any) && !Users.Contains(user))
            problems.Forbidden("engine_spec.params.user", $"is '{user}', which this daemon's policy does not allow.");
        CheckCapabilities(request, problems);
        CheckPaths(request, problems);
        problems.ThrowIfAny(request.ExecutionId);
    }

    private void CheckPaths(ExecutionRequest request, RequestProblems problems)
    {
        if (VolumeRoots.Count == 0) return;
        foreach (var parameter in PathParameters) Check(parameter, TextOf(request, parameter));
        Check("image", TextOf(request, "image") is { } image && ImageSource.TryParse(image, out var source, out _) ? source.Path : null);

        void Check(string parameter, string? path)
        {
            if (path is not null && !IsBelowRoots(path)) problems.Forbidden($"engine_spec.params.{parameter}", $"is {path}, but this daemon's policy allows what lies below {Listed(VolumeRoots)} only.");
        }
    }

    private bool IsBelowRoots(string path)
    {
        try
        {
            return Path.IsPathFullyQualified(path) && HostPath.IsWithinAny(HostPath.Resolve(path), VolumeRoots);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private void CheckCapabilities(ExecutionRequest request, RequestProblems problems)
    {
        if (!request.EngineSpec.Params.TryGetValue("cap_add", out var added) || added.ValueKind != JsonValueKind.Array) return;
        foreach (var each in added.EnumerateArray())
        {
            if (TextOf(each) is not { } name || Capability.IsAllowed(name, Capabilities)) continue;
            problems.Forbidden("engine_spec.params.cap_add", $"asks for '{name}', which this daemon's policy does not allow.");
        }
    }

    private static string? TextOf(ExecutionRequest request, string parameter) =>
        request.EngineSpec.Params.TryGetValue(parameter, out var value) ? TextOf(value) : null;

    // What is no text is refused by the executor, which knows what each parameter is; half of a surrogate pair is no text.
    private static string? TextOf(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    // The parts between the stars, in order; the first and the last at the ends.
    private static bool Matches(string pattern, string text)
    {
        var parts = pattern.Split('*');
        if (parts.Length == 1) return pattern == text;
        if (text.Length < parts[0].Length + parts[^1].Length || !text.StartsWith(parts[0], StringComparison.Ordinal) || !text.EndsWith(parts[^1], StringComparison.Ordinal)) return false;
        var (at, end) = (parts[0].Length, text.Length - parts[^1].Length);
        foreach (var part in parts[1..^1])
        {
            var found = text.AsSpan(at, end - at).IndexOf(part, StringComparison.Ordinal);
            if (found < 0) return false;
            at += found + part.Length;
        }

        return true;
    }

    private static string Name(NetworkMode mode) => mode.ToString().ToLowerInvariant();

    private static string Listed(IEnumerable<string> names) => string.Join(", ", names);
}
