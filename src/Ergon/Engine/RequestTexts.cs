using System.Runtime.InteropServices;
using System.Text.Json;
using Ergon.Json;

namespace Ergon.Engine;

/// <summary>
/// Finds the texts of a request that nothing could take: NUL ends a text everywhere outside .NET, and half of a surrogate pair is no
/// character, so that neither JSON nor UTF-8 can hold it.
/// </summary>
internal static class RequestTexts
{
    private const string Nul = "contains NUL, which no text of a request can hold.";
    private const string HalfCharacter = "contains half of a surrogate pair, which is no character.";

    /// <summary>Adds a problem for each text that cannot be.</summary>
    /// <returns>Whether there is none, so that a driver can be asked to read the request.</returns>
    public static bool Check(ExecutionRequest request, RequestProblems problems)
    {
        var clean = true;
        Check("engine_spec.type", request.EngineSpec.Type);
        foreach (var (i, gpu) in request.Resources.Gpus.Index()) Check($"resources.gpus[{i}].device", gpu.Device);
        foreach (var (i, input) in request.Inputs.Index()) CheckVolume($"inputs[{i}]", input);
        foreach (var (i, output) in request.Outputs.Index()) CheckVolume($"outputs[{i}]", output);
        Check("results_dir", request.ResultsDir);
        CheckEntries("environment", request.Environment);
        Check("network.gateway_ip", request.Network.GatewayIp);
        foreach (var (i, server) in request.Network.Dns.Index()) Check($"network.dns[{i}]", server);
        foreach (var (i, port) in request.Network.Ports.Index()) Check($"network.ports[{i}].host_ip", port.HostIp);
        foreach (var (i, script) in request.ProvisionScripts.Index()) Check($"provision_scripts[{i}].name", script.Name);
        Check("request_key", request.RequestKey);
        CheckEntries("labels", request.Labels);
        foreach (var (name, value) in request.EngineSpec.Params) Report(SpecParameters.Field(Quoted.Clip(name)), ProblemOf(name) ?? ProblemOf(value));
        return clean;

        void CheckVolume(string field, StorageVolume volume)
        {
            Check(field + ".type", volume.Type);
            Check(field + ".source", volume.Source);
            Check(field + ".target", volume.Target);
        }

        void CheckEntries(string field, IReadOnlyDictionary<string, string> entries)
        {
            foreach (var (name, value) in entries)
            {
                Check($"{field}.{Quoted.Clip(name)}", name);
                Check($"{field}.{Quoted.Clip(name)}", value);
            }
        }

        void Check(string field, string? text) => Report(field, text is null ? null : ProblemOf(text));

        void Report(string field, string? problem)
        {
            clean &= problem is null;
            if (problem is not null && !problems.Has(field)) problems.Invalid(field, problem);
        }
    }

    private static string? ProblemOf(string text) => text.Contains('\0') ? Nul : HasHalfCharacter(text) ? HalfCharacter : null;

    private static string? ProblemOf(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Undefined) return "has no value.";
        var json = JsonMarshal.GetRawUtf8Value(value);
        if (JsonText.HasNul(json)) return Nul;
        return JsonText.FindLoneSurrogate(json) is null ? null : HalfCharacter;
    }

    private static bool HasHalfCharacter(string text)
    {
        for (var i = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF'); i >= 0 && i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (!char.IsHighSurrogate(text[i]) || i + 1 == text.Length || !char.IsLowSurrogate(text[i + 1])) return true;
            i++;
        }

        return false;
    }
}
