using System.Text.Json;
namespace Ergon.Json;
internal static class RequestReader
{
    public static ExecutionRequest Read(ReadOnlyMemory<byte> utf8Json, RequestDefaults defaults)
    {
        _ = defaults;
        return JsonSerializer.Deserialize(utf8Json.Span, ErgonJsonContext.Relaxed.ExecutionRequest)!;
    }
}
