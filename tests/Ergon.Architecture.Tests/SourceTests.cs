using System.Text.RegularExpressions;

namespace Ergon.Architecture.Tests;

/// <summary>What every source file keeps to.</summary>
public sealed partial class SourceTests
{
    private const int MaxLines = 300;

    /// <summary>Tables that are longer by nature, each with its reason.</summary>
    private static readonly string[] LongFiles = [];

    public static TheoryData<string> Libraries => [.. SourceProject.All.Select(p => p.Name)];

    [Fact]
    public void No_file_is_longer_than_300_lines() =>
        Sources().Where(f => !LongFiles.Contains(Path.GetFileName(f)) && File.ReadLines(f).Count() > MaxLines).Should().BeEmpty();

    [Fact]
    public void No_method_is_async_void() => Offenders(AsyncVoid()).Should().BeEmpty();

    [Fact]
    public void Nothing_waits_for_a_task_by_blocking() => Offenders(Blocking()).Should().BeEmpty();

    [Fact]
    public void No_type_is_named_after_nothing() => Offenders(EmptyName()).Should().BeEmpty();

    [Theory]
    [MemberData(nameof(Libraries))]
    public void Every_public_type_is_documented(string name)
    {
        var project = SourceProject.All.Single(p => p.Name == name);
        if (project.PublicTypes.Count == 0) return;
        var documented = project.DocumentedMembers;
        project.PublicTypes.Where(t => !documented.Contains("T:" + t)).Should().BeEmpty();
    }

    private static IEnumerable<string> Sources() => SourceProject.All.SelectMany(p => p.Sources);

    private static IEnumerable<string> Offenders(Regex pattern) =>
        from file in Sources()
        from line in File.ReadLines(file).Select((text, i) => (text, number: i + 1))
        where !line.text.TrimStart().StartsWith("//") && pattern.IsMatch(line.text)
        select $"{Path.GetRelativePath(SourceProject.Root, file)}:{line.number}: {line.text.Trim()}";

    [GeneratedRegex(@"\basync\s+void\b", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex AsyncVoid();

    [GeneratedRegex(@"\.GetAwaiter\(\)\.GetResult\(\)|\bThread\.Sleep\(|\.Wait\(\)", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Blocking();

    [GeneratedRegex(@"\b(class|record|struct|interface)\s+\w*(Helpers?|Utils?|Utility|Manager)\b", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex EmptyName();
}
