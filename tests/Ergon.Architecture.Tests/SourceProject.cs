using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;

namespace Ergon.Architecture.Tests;

/// <summary>A project below <c>src</c>: its project file, its sources, and the assembly that was built from them.</summary>
internal sealed class SourceProject
{
    private readonly XDocument _file;
    private readonly string _directory;

    private SourceProject(string path)
    {
        _file = XDocument.Load(path);
        _directory = Path.GetDirectoryName(path)!;
        Name = Path.GetFileNameWithoutExtension(path);
    }

    public static string Root { get; } = FindRoot();

    public static IReadOnlyList<SourceProject> All { get; } =
        [.. Directory.GetFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories).Select(p => new SourceProject(p))];

    public string Name { get; }

    public IEnumerable<string> ProjectReferences =>
        Items("ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/')));

    public IEnumerable<string> PackageReferences => Items("PackageReference");

    public IEnumerable<string> Sources => Directory.EnumerateFiles(_directory, "*.cs", SearchOption.AllDirectories)
        .Where(f => !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal));

    /// <summary>The names of the assemblies that the built one refers to.</summary>
    public IReadOnlyList<string> AssemblyReferences => Read(reader =>
        reader.AssemblyReferences.Select(h => reader.GetString(reader.GetAssemblyReference(h).Name)).ToList());

    /// <summary>The full names of the types that users see.</summary>
    public IReadOnlyList<string> PublicTypes => Read(reader => reader.TypeDefinitions.Select(reader.GetTypeDefinition)
        .Where(t => (t.Attributes & TypeAttributes.VisibilityMask) == TypeAttributes.Public)
        .Select(t => $"{reader.GetString(t.Namespace)}.{reader.GetString(t.Name)}").ToList());

    /// <summary>What the documentation file has something to say about.</summary>
    public IReadOnlySet<string> DocumentedMembers => XDocument.Load(Path.ChangeExtension(AssemblyPath, ".xml"))
        .Descendants("member").Where(m => !string.IsNullOrWhiteSpace(m.Value) || m.HasElements).Select(m => m.Attribute("name")!.Value).ToHashSet();

    private string AssemblyPath
    {
        get
        {
            var name = _file.Descendants("AssemblyName").FirstOrDefault()?.Value ?? Name;
            return Path.Combine(_directory, "bin", Configuration, "net10.0", name + ".dll");
        }
    }

    private static string Configuration => new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    public override string ToString() => Name;

    private T Read<T>(Func<MetadataReader, T> read)
    {
        using var stream = File.OpenRead(AssemblyPath);
        using var assembly = new PEReader(stream);
        return read(assembly.GetMetadataReader());
    }

    private IEnumerable<string> Items(string kind) => _file.Descendants(kind).Select(i => i.Attribute("Include")!.Value);

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Ergon.slnx"))) directory = directory.Parent;
        return directory.FullName;
    }
}
