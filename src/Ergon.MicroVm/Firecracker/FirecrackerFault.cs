using System.Text.Json;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Reads the body of an answer in which Firecracker refuses something.</summary>
internal static class FirecrackerFault
{
    private const int MostShown = 1000;

    private static readonly string[] Members = ["fault_message", "error"];

    /// <summary>Firecracker's own words. Some of its bodies have a raw line break in a JSON string, which no parser takes.</summary>
    public static string MessageOf(string body)
    {
        var text = Printable(Parse(body) ?? Parse(body.ReplaceLineEndings(" ")) ?? body).Trim();
        if (text.Length == 0) return "it does not say why";
        return text.Length <= MostShown ? text : text[..MostShown] + "...";
    }

    // What answers may have been taken over by a guest, and its words reach a terminal.
    private static string Printable(string text) => new([.. text.Where(c => c is '\n' or '\t' || !char.IsControl(c))]);

    private static string? Parse(string body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Object) return null;
            foreach (var member in Members)
                if (document.RootElement.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.String) return value.GetString();
            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
