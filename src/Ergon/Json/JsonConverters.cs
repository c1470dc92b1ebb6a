using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.Json;

/// <summary>A value that is a JSON string in one form only.</summary>
internal abstract class TextConverter<T> : JsonConverter<T>
{
    protected abstract bool TryParse(string text, out T value);

    protected virtual string Format(T value) => value!.ToString()!;

    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var text = reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new JsonException("a string is expected");
        return TryParse(text, out var value) ? value : throw new JsonException($"'{Quoted.Clip(text)}' is not a {typeof(T).Name}");
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(Format(value));
}

internal sealed class JobIdConverter : TextConverter<JobId>
{
    protected override bool TryParse(string text, out JobId value) => JobId.TryParse(text, out value);
}

internal sealed class ExecutionIdConverter : TextConverter<ExecutionId>
{
    protected override bool TryParse(string text, out ExecutionId value) => ExecutionId.TryParse(text, out value);
}

internal sealed class SignalConverter : TextConverter<Signal>
{
    protected override bool TryParse(string text, out Signal value) => Signal.TryParse(text, out value);
}

internal sealed class DurationConverter : TextConverter<TimeSpan>
{
    protected override bool TryParse(string text, out TimeSpan value) => Duration.TryParse(text, out value);

    protected override string Format(TimeSpan value) => Duration.Format(value);
}

internal sealed class SnakeCaseConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;
