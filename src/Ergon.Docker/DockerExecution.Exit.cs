using System.Globalization;
using System.Text.RegularExpressions;
using Ergon.Docker.Api;
using Ergon.Drivers;

namespace Ergon.Docker;

internal sealed partial class DockerExecution
{
    // How long after a job's end the Engine may take to note the event of it.
    private static readonly TimeSpan EventPatience = TimeSpan.FromSeconds(5);

    private const string EndedAway = "It ended while the Docker Engine was away; what it wrote meanwhile may be missing.";

    private readonly HashSet<int> _sentSignals = [];
    private readonly TaskCompletionSource _back = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<Continuity> _waited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether the connection to the Engine held until the job's end.</summary>
    private enum Continuity
    {
        Unbroken,
        Resumed,
        Lost,
    }

    /// <inheritdoc/>
    public async Task<DriverExit> WaitAsync(CancellationToken cancellationToken)
    {
        if (_unrunnable is not null) return _unrunnable;
        var continuity = Continuity.Lost;
        try
        {
            (var exit, continuity) = await WaitForExitAsync(cancellationToken);
            return exit;
        }
        finally
        {
            _waited.TrySetResult(continuity);
        }
    }

    private async Task<(DriverExit Exit, Continuity Continuity)> WaitForExitAsync(CancellationToken cancellationToken)
    {
        var continuity = Continuity.Unbroken;
        var endedAway = false;
        while (true)
        {
            try
            {
                if (continuity == Continuity.Resumed) endedAway = !(await InspectAsync(cancellationToken)).State.Running;
                var answer = await engine.Open().WaitContainerAsync(_container, cancellationToken);

                // A job that succeeded needs no explanation. (After an interruption there is more to ask, whatever the code.)
                if (answer is { StatusCode: 0, Error: null } && continuity == Continuity.Unbroken) return (new DriverExit { ExitCode = 0 }, continuity);
                var state = (await InspectAsync(cancellationToken)).State;
                if (state.Running) continue;
                var exit = continuity == Continuity.Resumed && await DiedWithTheEngineAsync(state, cancellationToken)
                    ? Lost("It was restarted without live-restore, which killed the container.")
                    : await ExplainAsync(state, cancellationToken);
                if (endedAway && !exit.Lost) exit = exit with { Message = $"{exit.Message} {EndedAway}".Trim() };
                return (exit with { ExitCode = exit.Lost ? null : (int)answer.StatusCode }, continuity);
            }
            catch (Exception e) when (IsRemoved(e))
            {
                return (new DriverExit { KilledExternally = true, Message = "The container was removed past the executor." }, continuity);
            }
            catch (Exception e) when (EngineErrors.IsConnectionLoss(e) && !cancellationToken.IsCancellationRequested)
            {
                continuity = Continuity.Resumed;
                if (!await engine.Return.WaitAsync(cancellationToken)) return (Lost($"It did not come back within {Duration.Format(options.ReconnectTimeout)}."), Continuity.Lost);
                _back.TrySetResult();
            }
        }
    }

    // An Engine without live-restore kills its containers when it starts again: the exit code is then its doing, not the job's.
    private async Task<bool> DiedWithTheEngineAsync(ContainerState state, CancellationToken cancellationToken)
    {
        var info = await engine.CallAsync("describe itself", (client, token) => client.InfoAsync(token), cancellationToken);
        return !info.LiveRestoreEnabled && state.ExitCode != 0;
    }

    private async Task<DriverExit> ExplainAsync(ContainerState state, CancellationToken cancellationToken)
    {
        var code = state.ExitCode;
        if (request.ProvisionScripts.Count > 0 && code != 0 && await ReadProvisionFailureAsync(cancellationToken) is { } failure) return new DriverExit { Message = failure };
        if (state.OutOfMemory) return new DriverExit { OutOfMemory = true };
        if (code is 126 or 127) return new DriverExit { Message = await ReadInitFailureAsync(cancellationToken) ?? TextOf(state.Error) };
        if (code is <= 128 or > 128 + 64) return new DriverExit { Message = TextOf(state.Error) };

        // 128+n is what a signal looks like from here, and also what a program may exit with: look for who sent one.
        var signal = new Signal(code - 128);
        bool sent;
        lock (_sentSignals) sent = _sentSignals.Contains(signal.Number);
        if (sent) return new DriverExit { Signal = signal };
        if (signal == Signal.Kill && request.Resources.Memory is not null && KernelLog.TellsOutOfMemory(_container)) return new DriverExit { OutOfMemory = true };
        if (await WasSignalledAsync(signal, state, cancellationToken)) return new DriverExit { KilledExternally = true, Message = $"The Engine was asked to send {signal}." };
        return new DriverExit { Message = $"Exit code {code} is what Docker reports for {signal}, and for a program that exits with it by itself." };
    }

    private async Task<string?> ReadProvisionFailureAsync(CancellationToken cancellationToken)
    {
        var failure = await engine.CallAsync("read the provision status", (client, token) => ProvisionScripts.ReadFailureAsync(client, _container, token), cancellationToken);
        return failure is null ? null : $"{failure} The output ends with: {await ReadLogEndAsync(cancellationToken)}";
    }

    // With an init in between, the Engine does not know that the command could not be run; the init says so on the job's stderr.
    private async Task<string?> ReadInitFailureAsync(CancellationToken cancellationToken) =>
        InitFailure().Match(await ReadLogEndAsync(cancellationToken)) is { Success: true } match
            ? Unrunnable($"exec {match.Groups["command"].Value}: {match.Groups["why"].Value}")
            : null;

    private static string Unrunnable(string why) =>
        $"The command could not be run: {why}.{(why.Contains(ProvisionScripts.Entrypoint, StringComparison.Ordinal) ? " Provision scripts need a /bin/sh in the image." : "")}";

    // The Engine remembers its last events, and notes a signal before the end that it brought about.
    private async Task<bool> WasSignalledAsync(Signal signal, ContainerState state, CancellationToken cancellationToken)
    {
        var found = false;
        var until = UnixTime(state.FinishedAt + EventPatience);
        try
        {
            await engine.CallAsync(
                "list its events",
                async (client, token) =>
                {
                    await foreach (var e in client.EventsAsync(_container, until, ["kill", "die"], token))
                    {
                        if (e.Actor?.Attributes?.GetValueOrDefault("signal") is { } text && Signal.TryParse(text, out var other)) found |= other == signal;
                        if (e.Action == "die") return;
                    }
                },
                cancellationToken);
        }
        catch (ExecutorException)
        {
            // There is no evidence, which is none: the exit code itself is known.
        }

        return found;
    }

    private static string UnixTime(DateTimeOffset moment)
    {
        var ticks = (moment - DateTimeOffset.UnixEpoch).Ticks;
        return string.Create(CultureInfo.InvariantCulture, $"{ticks / TimeSpan.TicksPerSecond}.{ticks % TimeSpan.TicksPerSecond * 100:d9}");
    }

    private static string? TextOf(string? text) => string.IsNullOrEmpty(text) ? null : text;

    [GeneratedRegex(@"^\[FATAL tini \(\d+\)\] exec (?<command>.*) failed: (?<why>.+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex InitFailure();

    private static bool IsRemoved(Exception e) => EngineErrors.IsNotFound(e) || (e is ExecutorException && e.InnerException is { } inner && EngineErrors.IsNotFound(inner));

    private static DriverExit Lost(string why) => new() { Lost = true, Message = $"The Docker Engine went away while the job ran. {why}" };
}
