using System.Text.Json;
using Ergon.Admission;

namespace Ergon.Daemon;

/// <summary>What the operator of a daemon lets requests ask for. <see langword="null"/>: anything that the executors allow.</summary>
public sealed record DaemonPolicy
{
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
    public IReadOnlyList<string> Users { get; init => field = value ?? field; } = ["*"];

    /// <summary>The most that one execution may ask for.</summary>
    public ResourceLimits? Resources { get; init; }

    /// <summary>The host directories from which inputs may come and in which results may lie; empty: everywhere.</summary>
    public IReadOnlyList<string> VolumeRoots { get; init => field = value ?? field; } = [];

    /// <summary>Whether the host's network may be asked for.</summary>
    internal bool AllowsHostNetwork => Networks is null || Networks.Contains(NetworkMode.Host);

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
        CheckCapabilities(request, problems);
        problems.ThrowIfAny(request.ExecutionId);
    }

    private void CheckCapabilities(ExecutionRequest request, RequestProblems problems)
    {
        if (!request.EngineSpec.Params.TryGetValue("cap_add", out var added) || added.ValueKind != JsonValueKind.Array) return;
        foreach (var each in added.EnumerateArray())
        {
            if (each.ValueKind != JsonValueKind.String || each.GetString() is not { } name || Capabilities.Any(c => c == "ALL" || Same(c, name))) continue;
            problems.Forbidden("engine_spec.params.cap_add", $"asks for '{name}', which this daemon's policy does not allow.");
        }
    }

    private static bool Same(string one, string other) => Bare(one).Equals(Bare(other), StringComparison.OrdinalIgnoreCase);

    private static ReadOnlySpan<char> Bare(string capability) =>
        capability.StartsWith("CAP_", StringComparison.OrdinalIgnoreCase) ? capability.AsSpan(4) : capability;

    private static string? TextOf(ExecutionRequest request, string parameter) =>
        request.EngineSpec.Params.TryGetValue(parameter, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

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
