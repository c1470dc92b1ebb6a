using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Runc.Containers;

/// <summary>
/// Compiles the profile, once for each set of capabilities, into the program that the kernel runs at every system call, with the library
/// that runc uses as well. runc would compile it for every container, which takes longer than all the rest of a start.
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal static unsafe partial class SeccompFilter
{
    public const string Library = "libseccomp.so.2";
    private const uint Allow = 0x7fff0000;
    private const uint Refuse = 0x00050000;
    private const uint ArchX64 = 0xC000003E;
    private const uint ArchX32 = 0x4000003E;
    private const uint ArchX86 = 0x40000003;
    private const int Exists = -17;
    private const int NoSystemCall = 38;

    // struct sock_filter: code, jump if true, jump if false, value.
    private const int InstructionBytes = 8;
    private const ushort LoadWord = 0x20;
    private const ushort JumpIfEqual = 0x15;
    private const ushort JumpIfGreater = 0x25;
    private const ushort JumpIfBits = 0x45;
    private const ushort Return = 0x06;
    private const uint NumberOffset = 0;
    private const uint ArchOffset = 4;
    private const uint X32Bit = 0x40000000;

    private static readonly ConcurrentDictionary<string, Lazy<SafeFileHandle>> Compiled = new();

    /// <summary>The program for a container with some capabilities (<c>CAP_...</c>), in a file that nobody can change.</summary>
    /// <exception cref="DllNotFoundException">The library is not installed.</exception>
    /// <exception cref="IOException">It refused.</exception>
    public static SafeFileHandle For(IReadOnlyCollection<string> capabilities) => Compiled.GetOrAdd(
        string.Join(' ', capabilities.Order(StringComparer.Ordinal)),
        _ => new Lazy<SafeFileHandle>(() => SealedMemory.Create("seccomp", Compile(SeccompProfile.Select(capabilities))))).Value;

    private static byte[] Compile(IReadOnlyList<SeccompRule> rules)
    {
        var context = Init(Refuse | SeccompProfile.DefaultErrno);
        if (context == 0) throw new IOException("libseccomp could not begin a filter.");
        try
        {
            foreach (var arch in (uint[])[ArchX64, ArchX86, ArchX32]) Check(AddArchitecture(context, arch), "add an architecture");
            foreach (var rule in rules) Add(context, rule);
            var names = rules.SelectMany(r => r.Names).ToList();
            return [.. Beginning(Highest(ArchX64, names), Highest(ArchX32, names), Highest(ArchX86, names)), .. Export(context)];
        }
        finally
        {
            Release(context);
        }
    }

    private static void Add(nint context, SeccompRule rule)
    {
        var action = rule.Errno is { } errno ? Refuse | (uint)errno : Allow;
        foreach (var name in rule.Names)
        {
            // A name that this version of the library does not know is one that the filter refuses.
            var number = Resolve(name);
            if (number == -1) continue;
            var comparison = rule.Condition is { } c ? new Comparison { Argument = c.Argument, Operator = (int)c.Operator, First = c.Value, Second = c.MaskedValue } : default;
            var result = AddRule(context, action, number, rule.Condition is null ? 0u : 1u, &comparison);
            if (result != Exists) Check(result, $"add a rule for {name}");
        }
    }

    // Programs try new system calls and fall back on old ones when the kernel has none, which EPERM would not tell them.
    private static byte[] Beginning(uint x64, uint x32, uint x86)
    {
        (ushort Code, byte True, byte False, uint Value)[] program =
        [
            (LoadWord, 0, 0, ArchOffset),
            (JumpIfEqual, 0, 4, ArchX64),
            (LoadWord, 0, 0, NumberOffset),
            (JumpIfBits, 0, 1, X32Bit),
            (JumpIfGreater, 4, 5, x32 | X32Bit),
            (JumpIfGreater, 3, 4, x64),
            (JumpIfEqual, 0, 3, ArchX86),
            (LoadWord, 0, 0, NumberOffset),
            (JumpIfGreater, 0, 1, x86),
            (Return, 0, 0, Refuse | NoSystemCall),
        ];
        var bytes = new byte[program.Length * InstructionBytes];
        for (var i = 0; i < program.Length; i++)
        {
            var at = bytes.AsSpan(i * InstructionBytes);
            BinaryPrimitives.WriteUInt16LittleEndian(at, program[i].Code);
            (at[2], at[3]) = (program[i].True, program[i].False);
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], program[i].Value);
        }

        return bytes;
    }

    // What the library does not know, or this processor does not have, has a negative number.
    private static uint Highest(uint arch, IEnumerable<string> names) => names.Select(n => ResolveFor(arch, n)).Where(n => n >= 0).Select(n => (uint)n & ~X32Bit).Max();

    private static byte[] Export(nint context)
    {
        var (read, write) = Descriptors.Pipe(1 << 20);
        using (read)
        {
            using (write) Check(ExportProgram(context, Descriptors.Number(write)), "export a filter");
            using var stream = new FileStream(new SafeFileHandle(read.DangerousGetHandle(), ownsHandle: false), FileAccess.Read, 0);
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            return bytes.ToArray();
        }
    }

    private static void Check(int result, string what)
    {
        if (result < 0) throw new LinuxException($"{what} (libseccomp)", -result);
    }

    /// <summary>struct scmp_arg_cmp.</summary>
    private struct Comparison
    {
        public uint Argument;
        public int Operator;
        public ulong First;
        public ulong Second;
    }

    [LibraryImport(Library, EntryPoint = "seccomp_init")]
    private static partial nint Init(uint defaultAction);

    [LibraryImport(Library, EntryPoint = "seccomp_release")]
    private static partial void Release(nint context);

    [LibraryImport(Library, EntryPoint = "seccomp_arch_add")]
    private static partial int AddArchitectureCore(nint context, uint arch);

    private static int AddArchitecture(nint context, uint arch) => AddArchitectureCore(context, arch) is var result && result == Exists ? 0 : result;

    [LibraryImport(Library, EntryPoint = "seccomp_syscall_resolve_name", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Resolve(string name);

    [LibraryImport(Library, EntryPoint = "seccomp_syscall_resolve_name_arch", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ResolveFor(uint arch, string name);

    [LibraryImport(Library, EntryPoint = "seccomp_rule_add_array")]
    private static partial int AddRule(nint context, uint action, int number, uint count, Comparison* comparisons);

    [LibraryImport(Library, EntryPoint = "seccomp_export_bpf")]
    private static partial int ExportProgram(nint context, int descriptor);
}
