using System.Formats.Tar;
using System.Text;
using CliWrap;
using CliWrap.Buffered;

namespace Ergon.Images.Tests;

/// <summary>What is in a squashfs image, read back with the tools of its makers.</summary>
internal sealed class BlockImage
{
    private readonly string _path;
    private readonly Dictionary<string, (TarEntry Entry, string Content)> _entries = [];

    private BlockImage(string path) => _path = path;

    /// <summary>The paths of everything, without the root; directories end with a slash.</summary>
    public IEnumerable<string> Names => _entries.Keys.Where(n => n.Length > 0).Order(StringComparer.Ordinal);

    public TarEntry this[string name] => _entries[name].Entry;

    public static async Task<BlockImage> ReadAsync(string path)
    {
        using var tar = new MemoryStream(await RawTarAsync(path));
        var image = new BlockImage(path);
        using var reader = new TarReader(tar);
        while (await reader.GetNextEntryAsync(copyData: true) is { } entry)
        {
            var content = "";
            if (entry.DataStream is { } data)
            {
                using var text = new StreamReader(data, Encoding.UTF8);
                content = await text.ReadToEndAsync();
            }

            var name = entry.Name.Trim('/') is "." or "" ? "" : entry.Name.TrimEnd('/').Replace("./", "", StringComparison.Ordinal) + (entry.EntryType == TarEntryType.Directory ? "/" : "");
            image._entries[name] = (entry, content);
        }

        return image;
    }

    /// <summary>All of it as a tar archive, as the tool writes it.</summary>
    public static async Task<byte[]> RawTarAsync(string path)
    {
        using var tar = new MemoryStream();
        await Cli.Wrap("sqfs2tar").WithArguments(["--root-becomes", ".", path]).WithStandardOutputPipe(PipeTarget.ToStream(tar)).ExecuteAsync(TestContext.Current.CancellationToken);
        return tar.ToArray();
    }

    public string Text(string name) => _entries[name].Content;

    public bool Has(string name) => _entries.ContainsKey(name);

    /// <summary>The extended attributes of a file: names, and values as the tool shows them.</summary>
    public async Task<string> AttributesAsync(string name) =>
        (await Cli.Wrap("rdsquashfs").WithArguments(["--xattr", name, _path]).ExecuteBufferedAsync()).StandardOutput;
}
