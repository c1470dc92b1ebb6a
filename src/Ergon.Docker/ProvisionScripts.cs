using System.Formats.Tar;
using System.Text;
using Ergon.Docker.Api;
using Ergon.Images;

namespace Ergon.Docker;

/// <summary>
/// Runs provision scripts inside a container before its command. The scripts and a small wrapper are put into a volume of the container's
/// own, since that works on a read-only root and with an Engine on another machine; the wrapper becomes the entrypoint, runs the
/// scripts, and then becomes the command.
/// </summary>
internal static class ProvisionScripts
{
    private const string Root = "/.ergon";
    private const string StatusFile = "status/failed";

    /// <summary>The wrapper, which becomes the entrypoint.</summary>
    public const string Entrypoint = Root + "/run";

    private const int MaxStatus = 1024;

    // $@ is the real command; what the scripts write is the job's output too.
    private const string Wrapper = """
        #!/bin/sh
        for script in /.ergon/scripts/*; do
          "$script" </dev/null || { code=$?; printf '%s %s' "$code" "${script##*/}" >/.ergon/status/failed; exit "$code"; }
        done
        exec "$@"
        """;

    /// <summary>Makes the wrapper the entrypoint of the container, combining the image's entrypoint and command as the Engine would.</summary>
    public static async Task<ContainerConfig> WrapAsync(ContainerConfig config, EngineClient client, CancellationToken cancellationToken)
    {
        var image = (await client.InspectImageAsync(config.Image, cancellationToken)).Config;
        var command = ImageCommand.Combine(config.Entrypoint, config.Cmd, image?.Entrypoint, image?.Cmd);
        if (command.Count == 0) throw EngineErrors.NoCommand();
        var volume = new Mount("volume", Root);
        return config with { Entrypoint = [Entrypoint], Cmd = command, HostConfig = config.HostConfig with { Mounts = [.. config.HostConfig.Mounts, volume] } };
    }

    /// <summary>Puts the scripts into the created container.</summary>
    public static async Task UploadAsync(IReadOnlyList<ProvisionScript> scripts, EngineClient client, string container, CancellationToken cancellationToken)
    {
        using var archive = new MemoryStream();
        await using (var tar = new TarWriter(archive, TarEntryFormat.Pax, leaveOpen: true))
        {
            // Anyone may write here: it is the job's user who leaves the status.
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.Directory, "status/") { Mode = (UnixFileMode)0b111_111_111 }, cancellationToken);
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.Directory, "scripts/") { Mode = (UnixFileMode)0b111_101_101 }, cancellationToken);
            await WriteAsync("run", Encoding.UTF8.GetBytes(Wrapper.ReplaceLineEndings("\n") + "\n"));
            for (var i = 0; i < scripts.Count; i++)
                await WriteAsync($"scripts/{i:d4}-{scripts[i].Name}", WithInterpreter(scripts[i].Content.Span));

            async Task WriteAsync(string name, byte[] content)
            {
                var entry = new PaxTarEntry(TarEntryType.RegularFile, name) { Mode = (UnixFileMode)0b111_101_101, DataStream = new MemoryStream(content) };
                await tar.WriteEntryAsync(entry, cancellationToken);
            }
        }

        archive.Position = 0;
        await client.UploadAsync(container, Root, archive, cancellationToken);
    }

    /// <summary>What to tell when a script failed: its name and its exit code. <see langword="null"/>: none did.</summary>
    public static async Task<string?> ReadFailureAsync(EngineClient client, string container, CancellationToken cancellationToken)
    {
        if (await ReadStatusAsync(client, container, cancellationToken) is not { } status) return null;
        var words = status.Split(' ', 2);
        var name = words.Length == 2 && words[1].Length > 5 ? words[1][5..] : status;
        return $"The provision script '{name}' failed with exit code {words[0]}.";
    }

    // Without an interpreter line the kernel would refuse the file, and only a shell would guess.
    private static byte[] WithInterpreter(ReadOnlySpan<byte> script) => script.StartsWith("#!"u8) ? script.ToArray() : [.. "#!/bin/sh\n"u8, .. script];

    private static async Task<string?> ReadStatusAsync(EngineClient client, string container, CancellationToken cancellationToken)
    {
        try
        {
            await using var content = await client.DownloadAsync(container, $"{Root}/{StatusFile}", cancellationToken);
            await using var tar = new TarReader(content);
            if (await tar.GetNextEntryAsync(copyData: false, cancellationToken) is not { EntryType: TarEntryType.RegularFile, DataStream: { } data }) return null;
            var status = new byte[MaxStatus];
            var length = await data.ReadAtLeastAsync(status, status.Length, throwOnEndOfStream: false, cancellationToken);
            return Encoding.UTF8.GetString(status, 0, length);
        }
        catch (EngineApiException e) when (EngineErrors.IsNotFound(e))
        {
            return null;
        }
    }
}
