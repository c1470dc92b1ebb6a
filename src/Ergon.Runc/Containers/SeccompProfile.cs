using System.Globalization;
using System.Runtime.InteropServices;

namespace Ergon.Runc.Containers;

/// <summary>How an argument of a system call is looked at; the numbers are libseccomp's.</summary>
internal enum SeccompOperator
{
    Less = 2,
    Equal = 4,
    Greater = 6,
    MaskedEqual = 7,
}

/// <summary>A condition on an argument of a system call.</summary>
/// <param name="Argument">Which argument.</param>
/// <param name="Operator">How it is compared.</param>
/// <param name="Value">With what; of a masked comparison, the mask.</param>
/// <param name="MaskedValue">What a masked comparison must give.</param>
internal readonly record struct SeccompCondition(uint Argument, SeccompOperator Operator, ulong Value, ulong MaskedValue);

/// <summary>What happens with some system calls.</summary>
/// <param name="Errno">The error that they fail with; <see langword="null"/>: they are allowed.</param>
/// <param name="Condition">When; <see langword="null"/>: always.</param>
/// <param name="Names">The system calls.</param>
internal sealed record SeccompRule(int? Errno, SeccompCondition? Condition, IReadOnlyList<string> Names);

/// <summary>Which system calls a container may make (<c>seccomp-profile.txt</c>).</summary>
internal static class SeccompProfile
{
    /// <summary>What is not named fails with this: EPERM.</summary>
    public const int DefaultErrno = 1;

    /// <summary>The rules for a container on this machine with some capabilities (<c>CAP_...</c>).</summary>
    public static IReadOnlyList<SeccompRule> Select(IReadOnlyCollection<string> capabilities)
    {
        using var resource = typeof(SeccompProfile).Assembly.GetManifestResourceStream("seccomp-profile")!;
        using var reader = new StreamReader(resource);
        return Parse(reader.ReadToEnd(), RuntimeInformation.ProcessArchitecture.ToString(), Environment.OSVersion.Version, capabilities);
    }

    public static IReadOnlyList<SeccompRule> Parse(string text, string processor, Version kernel, IReadOnlyCollection<string> capabilities)
    {
        var rules = new List<SeccompRule>();
        List<string>? names = null;
        foreach (var line in text.Split('\n').Where(l => l.Length > 0 && l[0] != '#'))
        {
            if (line[0] == ' ')
            {
                names?.AddRange(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
                continue;
            }

            names = null;
            var parts = line.Split("  ", StringSplitOptions.RemoveEmptyEntries);
            if (!parts.Skip(1).All(part => Applies(part, processor, kernel, capabilities))) continue;
            var condition = parts.FirstOrDefault(p => p.StartsWith("if ", StringComparison.Ordinal));
            rules.Add(new SeccompRule(ErrnoOf(parts[0]), condition is null ? null : ReadCondition(condition), names = []));
        }

        return rules;
    }

    private static bool Applies(string part, string processor, Version kernel, IReadOnlyCollection<string> capabilities)
    {
        var (word, rest) = (part[..part.IndexOf(' ', StringComparison.Ordinal)], part[(part.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
        return word switch
        {
            "on" => rest.Split(',').Contains(processor, StringComparer.OrdinalIgnoreCase),
            "with" => capabilities.Contains(rest),
            "without" => !capabilities.Contains(rest),
            "from" => kernel >= Version.Parse(rest),
            "if" => true,
            _ => throw new FormatException($"The seccomp profile has a condition '{word}'."),
        };
    }

    private static int? ErrnoOf(string action) => action == "allow" ? null : int.Parse(action["refuse ".Length..], CultureInfo.InvariantCulture);

    private static SeccompCondition ReadCondition(string text)
    {
        static ulong Number(string text) => ulong.Parse(text, CultureInfo.InvariantCulture);
        return text.Split(' ') switch
        {
            ["if", var index, "<", var value] => new((uint)Number(index), SeccompOperator.Less, Number(value), 0),
            ["if", var index, "==", var value] => new((uint)Number(index), SeccompOperator.Equal, Number(value), 0),
            ["if", var index, ">", var value] => new((uint)Number(index), SeccompOperator.Greater, Number(value), 0),
            ["if", var index, "&", var mask, "==", var value] => new((uint)Number(index), SeccompOperator.MaskedEqual, Number(mask), Number(value)),
            _ => throw new FormatException($"The seccomp profile has a condition '{text}'."),
        };
    }
}
