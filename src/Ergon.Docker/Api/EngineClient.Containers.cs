using System.Net.Http.Headers;

namespace Ergon.Docker.Api;

internal sealed partial class EngineClient
{
    private static readonly MediaTypeHeaderValue Tar = new("application/x-tar");

    /// <summary>Makes a container; returns its id.</summary>
    public async Task<string> CreateContainerAsync(ContainerConfig config, CancellationToken cancellationToken)
    {
        var path = $"/containers/create?name={Uri.EscapeDataString(config.Name)}{(config.Platform is { } platform ? $"&platform={Uri.EscapeDataString(platform)}" : "")}";
        return (await CallAsync(HttpMethod.Post, path, ContentOf(config, EngineJsonContext.Default.ContainerConfig), EngineJsonContext.Default.Created, cancellationToken)).Id;
    }

    /// <summary>Attaches to the output of a container without a terminal.</summary>
    public Task<EngineStream> AttachAsync(string container, CancellationToken cancellationToken) =>
        UpgradeAsync($"/containers/{container}/attach?stream=1&stdout=1&stderr=1", [], multiplexed: true, cancellationToken);

    /// <summary>Starts a container.</summary>
    public Task StartContainerAsync(string container, CancellationToken cancellationToken) => PostAsync($"/containers/{container}/start", cancellationToken);

    /// <summary>Waits until a container does not run.</summary>
    public Task<WaitAnswer> WaitContainerAsync(string container, CancellationToken cancellationToken) =>
        CallAsync(HttpMethod.Post, $"/containers/{container}/wait", null, EngineJsonContext.Default.WaitAnswer, cancellationToken);

    /// <summary>Describes a container, by id or name.</summary>
    public Task<ContainerDescription> InspectContainerAsync(string container, CancellationToken cancellationToken) =>
        GetAsync($"/containers/{container}/json", EngineJsonContext.Default.ContainerDescription, cancellationToken);

    /// <summary>Lists all containers with a label, those that have ended too.</summary>
    public Task<IReadOnlyList<ListedContainer>> ListContainersAsync(string label, CancellationToken cancellationToken) =>
        GetAsync($"/containers/json?all=1&filters={Filters(new() { ["label"] = [label] })}", EngineJsonContext.Default.IReadOnlyListListedContainer, cancellationToken);

    /// <summary>Freezes a container.</summary>
    public Task PauseContainerAsync(string container, CancellationToken cancellationToken) => PostAsync($"/containers/{container}/pause", cancellationToken);

    /// <summary>Thaws a container.</summary>
    public Task UnpauseContainerAsync(string container, CancellationToken cancellationToken) => PostAsync($"/containers/{container}/unpause", cancellationToken);

    /// <summary>Sends a signal, by name or number.</summary>
    public Task KillContainerAsync(string container, string signal, CancellationToken cancellationToken) =>
        PostAsync($"/containers/{container}/kill?signal={Uri.EscapeDataString(signal)}", cancellationToken);

    /// <summary>Gives a container another name.</summary>
    public Task RenameContainerAsync(string container, string name, CancellationToken cancellationToken) =>
        PostAsync($"/containers/{container}/rename?name={Uri.EscapeDataString(name)}", cancellationToken);

    /// <summary>Kills and removes a container, by id or name, with its anonymous volumes.</summary>
    public async Task RemoveContainerAsync(string container, CancellationToken cancellationToken) =>
        (await SendAsync(HttpMethod.Delete, $"/containers/{container}?force=1&v=1", null, cancellationToken)).Dispose();

    /// <summary>Reads a container's log.</summary>
    /// <param name="container">Its id.</param>
    /// <param name="query">What of it, as the Engine's parameters.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<EngineStream> LogsAsync(string container, string query, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(HttpMethod.Get, $"/containers/{container}/logs?stdout=1&stderr=1&{query}", null, cancellationToken);
        return new EngineStream(await answer.Content.ReadAsStreamAsync(cancellationToken), answer, multiplexed: true);
    }

    /// <summary>Reads what a container uses: once at once, or about once a second.</summary>
    public IAsyncEnumerable<StatsSample> StatsAsync(string container, bool follow, CancellationToken cancellationToken) => ReadManyAsync(
        HttpMethod.Get, $"/containers/{container}/stats?{(follow ? "stream=1" : "stream=0&one-shot=1")}", null, EngineJsonContext.Default.StatsSample, cancellationToken);

    /// <summary>Unpacks an archive inside a container.</summary>
    public async Task UploadAsync(string container, string directory, Stream archive, CancellationToken cancellationToken)
    {
        var content = new StreamContent(archive) { Headers = { ContentType = Tar } };
        (await SendAsync(HttpMethod.Put, $"/containers/{container}/archive?path={Uri.EscapeDataString(directory)}", content, cancellationToken)).Dispose();
    }

    /// <summary>Reads a file of a container as an archive; the caller disposes both.</summary>
    public async Task<Stream> DownloadAsync(string container, string path, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(HttpMethod.Get, $"/containers/{container}/archive?path={Uri.EscapeDataString(path)}", null, cancellationToken);
        return await answer.Content.ReadAsStreamAsync(cancellationToken);
    }
}
