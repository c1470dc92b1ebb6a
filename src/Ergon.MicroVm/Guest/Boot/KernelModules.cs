using System.Text;

namespace Ergon.MicroVm.Guest.Boot;

/// <summary>A kernel module, uncompressed.</summary>
/// <param name="Name">Its name, with underscores.</param>
/// <param name="Content">The ELF file.</param>
internal sealed record KernelModule(string Name, ReadOnlyMemory<byte> Content);

/// <summary>The modules of one kernel, by name, from its module tree (<c>/lib/modules/RELEASE</c>).</summary>
/// <remarks>
/// What a module needs is written in the module itself; the list <c>modules.dep</c> is made of that when a kernel is installed, and is
/// missing where its package was only unpacked.
/// </remarks>
internal sealed class KernelModules
{
    private static readonly string[] Suffixes = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];

    private readonly Dictionary<string, string> _files = new(StringComparer.Ordinal);
    private readonly HashSet<string> _builtIn = new(StringComparer.Ordinal);
    private readonly Dictionary<string, KernelModule> _read = new(StringComparer.Ordinal);

    private KernelModules(string? directory) => Directory = directory;

    /// <summary>The tree; <see langword="null"/> for a kernel that has everything built in.</summary>
    public string? Directory { get; }

    /// <summary>Knows no module: for a kernel that has everything built in.</summary>
    public static KernelModules None { get; } = new(null);

    /// <summary>Finds the modules of a tree.</summary>
    public static KernelModules Open(string directory)
    {
        var modules = new KernelModules(directory);
        foreach (var file in System.IO.Directory.EnumerateFiles(directory, "*.ko*", SearchOption.AllDirectories))
            if (Suffixes.FirstOrDefault(s => file.EndsWith(s, StringComparison.Ordinal)) is { } suffix) modules._files.TryAdd(NameOf(file[..^suffix.Length]), file);
        var builtIn = Path.Combine(directory, "modules.builtin");
        if (File.Exists(builtIn))
            foreach (var line in File.ReadLines(builtIn)) modules._builtIn.Add(NameOf(line.EndsWith(".ko", StringComparison.Ordinal) ? line[..^3] : line));
        return modules;
    }

    /// <summary>Whether the kernel has it built in.</summary>
    public bool IsBuiltIn(string name) => _builtIn.Contains(Normalize(name));

    /// <summary>Whether the tree has it or the kernel has it built in.</summary>
    public bool Has(string name) => IsBuiltIn(name) || _files.ContainsKey(Normalize(name));

    /// <summary>
    /// The modules of these names with everything that they need, each after what it needs. What is built in is left out, and so is what
    /// the tree does not have: then it is built in where no list says so, or the guest says what it misses.
    /// </summary>
    /// <param name="names">The names that are wanted.</param>
    /// <param name="loaded">Modules that come before and need not be loaded again.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async Task<IReadOnlyList<KernelModule>> ResolveAsync(
        IEnumerable<string> names, IReadOnlyCollection<KernelModule> loaded, CancellationToken cancellationToken)
    {
        var order = new List<KernelModule>();
        var seen = loaded.Select(m => m.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var name in names) await AddAsync(Normalize(name), order, seen, cancellationToken);
        return order;
    }

    private async Task AddAsync(string name, List<KernelModule> order, HashSet<string> seen, CancellationToken cancellationToken)
    {
        if (_builtIn.Contains(name) || !_files.TryGetValue(name, out var file) || !seen.Add(name)) return;
        if (!_read.TryGetValue(name, out var module)) _read[name] = module = new KernelModule(name, await Decompression.ReadAsync(file, cancellationToken));
        foreach (var needed in NeededBy(module)) await AddAsync(needed, order, seen, cancellationToken);
        order.Add(module);
    }

    // The section .modinfo is a list of "key=value" texts that end with NUL.
    private static IEnumerable<string> NeededBy(KernelModule module)
    {
        var needed = Texts(module.Content, "\0depends=").SelectMany(v => v.Split(',', StringSplitOptions.RemoveEmptyEntries));
        var before = Texts(module.Content, "\0softdep=").Where(v => v.StartsWith("pre:", StringComparison.Ordinal)).SelectMany(v => v[4..].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        return before.Concat(needed).Select(Normalize).ToArray();
    }

    private static List<string> Texts(ReadOnlyMemory<byte> content, string key)
    {
        var values = new List<string>();
        var mark = Encoding.ASCII.GetBytes(key);
        var rest = content.Span;
        for (var at = rest.IndexOf(mark); at >= 0; at = rest.IndexOf(mark))
        {
            rest = rest[(at + mark.Length)..];
            var end = rest.IndexOf((byte)0);
            if (end < 0) break;
            values.Add(Encoding.ASCII.GetString(rest[..end]));
            rest = rest[end..];
        }

        return values;
    }

    private static string NameOf(string path) => Normalize(Path.GetFileName(path));

    private static string Normalize(string name) => name.Replace('-', '_');
}
