using System.Globalization;
using System.Runtime.InteropServices;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Runc.Containers;

/// <summary>How the commands of a container stand, as its first process tells.</summary>
internal enum InitStage
{
    /// <summary>It is not there, or not this program.</summary>
    Unknown,

    /// <summary>A command runs; the number is its process id inside.</summary>
    Running,

    /// <summary>A command has ended, and none comes after it; the number is its wait(2) status.</summary>
    Ended,

    /// <summary>A command could not be executed; the number is the kernel's error.</summary>
    Refused,
}

/// <summary>What the first process of a container tells.</summary>
/// <param name="Stage">How it stands.</param>
/// <param name="Index">Which of its commands.</param>
/// <param name="Number">See the stage.</param>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal readonly record struct InitState(InitStage Stage, int Index, int Number)
{
    /// <summary>Reads it from the name of the process, which the kernel keeps until the process is collected.</summary>
    public static InitState Read(int processId) => Parse((CgroupText.Read($"/proc/{processId}/comm") ?? "").TrimEnd('\n'));

    public static InitState Parse(string name)
    {
        static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
        var fields = name.Length > 1 ? name[1..].Split(':') : [];
        return (name.FirstOrDefault(), fields) switch
        {
            ('@', [var id]) when Number(id) is { } number => new InitState(InitStage.Running, 0, number),
            ('=', [var index, var status]) when Number(index) is { } i && Number(status) is { } number => new InitState(InitStage.Ended, i, number),
            ('!', [var index, var errno]) when Number(index) is { } i && Number(errno) is { } number => new InitState(InitStage.Refused, i, number),
            _ => default,
        };
    }
}

/// <summary>
/// The program through which every process of a container is started (<c>container-init.c</c>). It and its filter are given to each as
/// descriptors, of files that nobody can change: whatever an image, a volume or a job puts in the way of a path, no process starts without the filter.
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal static class ContainerInit
{
    /// <summary>Where the provision scripts are inside a container.</summary>
    public const string ScriptsDirectory = "/dev/ergon";

    // Descriptor 3 is the first that it is given.
    private const string ProgramDescriptor = "4";
    private const string FilterDescriptor = "5";

    /// <summary>Its exit code when it could not shut a command in.</summary>
    public const int NotShutIn = 125;

    private static readonly Lazy<SafeFileHandle> InMemory = new(() => SealedMemory.Create("container-init", typeof(ContainerInit).Assembly, "container-init.x64"));

    /// <summary>Whether it has been compiled for this machine.</summary>
    public static bool IsSupported => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>The program, in a file that nobody can change.</summary>
    public static SafeFileHandle Program => InMemory.Value;

    private static string Filter(bool has) => has ? FilterDescriptor : "";

    /// <summary>The descriptors that it is given, from 3 on.</summary>
    /// <param name="ready">What it closes when the first command runs.</param>
    /// <param name="filter">Its filter; <see langword="null"/>: it loads none.</param>
    public static IReadOnlyList<int> Given(int ready, SafeFileHandle? filter) =>
        [ready, Descriptors.Number(Program), .. filter is null ? Array.Empty<int>() : [Descriptors.Number(filter)]];

    /// <summary>The command line of a first process that runs commands one after the other.</summary>
    public static IReadOnlyList<string> Run(IReadOnlyList<IReadOnlyList<string>> commands, bool hasFilter) =>
        [$"/proc/self/fd/{ProgramDescriptor}", "run", Filter(hasFilter), Text(commands.Count), .. commands.SelectMany(c => c.Prepend(Text(c.Count)))];

    /// <summary>The command line of what becomes a command.</summary>
    public static IReadOnlyList<string> Become(IReadOnlyList<string> command, bool hasFilter, bool onTerminal = false) =>
        [$"/proc/self/fd/{ProgramDescriptor}", onTerminal ? "terminal" : "become", Filter(hasFilter), .. command];

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
