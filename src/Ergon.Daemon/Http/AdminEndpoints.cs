namespace Ergon.Daemon.Http;

/// <summary>What is the operator's alone.</summary>
internal sealed class AdminEndpoints(Operations operations)
{
    public async Task DrainAsync(HttpCall call)
    {
        var wait = call.Time("wait") ?? TimeSpan.Zero;
        call.ThrowIfInvalid();
        await call.WriteAsync(Payloads.Drain(await operations.DrainAsync(call.Caller, wait, call.Token)));
    }

    public async Task UndoDrainAsync(HttpCall call) => await call.WriteAsync(Payloads.Drain(await operations.UndoDrainAsync(call.Caller, call.Token)));

    public async Task GetDrainAsync(HttpCall call) => await call.WriteAsync(Payloads.Drain(await operations.GetDrainAsync(call.Token)));

    public async Task ReloadAsync(HttpCall call) => await call.WriteAsync(Payloads.SettingsChange(await operations.ReloadAsync(call.Caller)));

    public async Task CleanupAsync(HttpCall call)
    {
        await operations.CleanupAsync(call.Caller, call.Text("executor"), call.Token);
        call.WriteNothing();
    }
}
