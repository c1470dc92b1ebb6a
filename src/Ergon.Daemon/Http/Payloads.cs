using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Ergon.Daemon.Executors;
using Ergon.Daemon.Security;

namespace Ergon.Daemon.Http;

/// <summary>The JSON of answers that the contract itself has no form for.</summary>
internal static class Payloads
{
    /// <summary>As the contract itself is written: escaped is only what JSON, or a terminal, could misunderstand.</summary>
    public static JsonWriterOptions Relaxed { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Page(IReadOnlyList<ExecutionInfo> page, string nextToken) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("executions");
        foreach (var info in page) json.WriteRawValue(ErgonJson.SerializeInfo(info), skipInputValidation: true);
        json.WriteEndArray();
        json.WriteString("next_page_token", nextToken);
        json.WriteEndObject();
    });

    /// <summary>A result as the Go services know it.</summary>
    public static byte[] GoResult(ExecutionResult result) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("stdout", result.Stdout.Text);
        json.WriteString("stderr", result.Stderr.Text);
        json.WriteNumber("exit_code", result.ExitCode);
        json.WriteString("error_msg", result.Error ?? "");
        json.WriteBoolean("killed", result.Killed);
        json.WriteEndObject();
    });

    public static byte[] Executors(IEnumerable<ManagedExecutor> executors) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("executors");
        foreach (var executor in executors)
        {
            json.WriteStartObject();
            json.WriteString("name", executor.Name);
            json.WriteString("executor_id", executor.Executor.ExecutorId);
            json.WriteBoolean("ready", executor.Ready);
            if (executor.Problem is { } problem) json.WriteString("problem", problem.Message);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });

    public static byte[] Drain(DrainProgress progress) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteBoolean("draining", progress.State is not null);
        if (progress.State is { } state)
        {
            json.WriteString("since", state.Since);
            json.WriteString("by", state.By);
        }

        json.WriteNumber("active", progress.Active);
        json.WriteEndObject();
    });

    public static byte[] SettingsChange(SettingsChange change) => Write(json =>
    {
        json.WriteStartObject();
        WriteTexts(json, "changed", change.Changed);
        WriteTexts(json, "need_restart", change.NeedRestart);
        json.WriteEndObject();
    });

    public static byte[] Caller(Caller caller) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("name", caller.Name);
        json.WriteStartArray("scopes");
        foreach (var scope in (Scopes[])[Scopes.Read, Scopes.Run, Scopes.Admin])
            if (caller.Scopes.HasFlag(scope)) json.WriteStringValue(scope.ToString().ToLowerInvariant());
        json.WriteEndArray();
        json.WriteEndObject();
    });

    public static byte[] Log(LogEntry entry) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("timestamp", entry.Timestamp);
        json.WriteNumber("position", entry.Position);
        WriteBytes(json, "data", entry.Data.Span);
        json.WriteEndObject();
    });

    public static byte[] Exec(int exitCode, ReadOnlyMemory<byte> stdout, ReadOnlyMemory<byte> stderr, bool truncated) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("exit_code", exitCode);
        WriteBytes(json, "stdout", stdout.Span);
        WriteBytes(json, "stderr", stderr.Span);
        json.WriteBoolean("truncated", truncated);
        json.WriteEndObject();
    });

    private static void WriteTexts(Utf8JsonWriter json, string name, IReadOnlyList<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }

    // As text, and beside it in base64 when the text does not say which bytes they were.
    private static void WriteBytes(Utf8JsonWriter json, string name, ReadOnlySpan<byte> bytes)
    {
        json.WriteString(name, Encoding.UTF8.GetString(bytes));
        if (!Utf8.IsValid(bytes)) json.WriteBase64String(name + "_base64", bytes);
    }

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Relaxed)) write(json);
        return buffer.WrittenSpan.ToArray();
    }
}
