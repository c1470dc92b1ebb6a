using System.Globalization;
using System.Text.Json;

namespace Ergon.Docker.Api;

internal sealed partial class EngineClient
{
    /// <summary>Makes a command that a container is to run; returns its id.</summary>
    public async Task<string> CreateExecAsync(string container, ExecConfig config, CancellationToken cancellationToken)
    {
        var content = ContentOf(config, EngineJsonContext.Default.ExecConfig);
        return (await CallAsync(HttpMethod.Post, $"/containers/{container}/exec", content, EngineJsonContext.Default.Created, cancellationToken)).Id;
    }

    /// <summary>Starts a command, attached.</summary>
    public Task<EngineStream> StartExecAsync(string exec, bool terminal, CancellationToken cancellationToken) => UpgradeAsync(
        $"/exec/{exec}/start", JsonSerializer.SerializeToUtf8Bytes(new ExecStart(Detach: false, terminal), EngineJsonContext.Default.ExecStart), multiplexed: !terminal, cancellationToken);

    /// <summary>Gives the terminal of a command another size.</summary>
    public Task ResizeExecAsync(string exec, int rows, int columns, CancellationToken cancellationToken) =>
        PostAsync(string.Create(CultureInfo.InvariantCulture, $"/exec/{exec}/resize?h={rows}&w={columns}"), cancellationToken);

    /// <summary>Describes a command.</summary>
    public Task<ExecDescription> InspectExecAsync(string exec, CancellationToken cancellationToken) =>
        GetAsync($"/exec/{exec}/json", EngineJsonContext.Default.ExecDescription, cancellationToken);
}
