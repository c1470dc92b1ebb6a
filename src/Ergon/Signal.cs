using System.Diagnostics.CodeAnalysis;

namespace Ergon;

/// <summary>A Linux signal, by its x86-64/arm64 number (signal(7)).</summary>
public readonly record struct Signal(int Number) : IParsable<Signal>
{
    private static readonly string[] Names =
    [
        "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
        "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];

    /// <summary>SIGHUP (1).</summary>
    public static Signal Hangup => new(1);

    /// <summary>SIGINT (2).</summary>
    public static Signal Interrupt => new(2);

    /// <summary>SIGKILL (9).</summary>
    public static Signal Kill => new(9);

    /// <summary>SIGUSR1 (10).</summary>
    public static Signal User1 => new(10);

    /// <summary>SIGTERM (15).</summary>
    public static Signal Terminate => new(15);

    /// <summary>The name with its prefix, such as <c>SIGTERM</c>, or <c>SIG40</c> for a real-time signal.</summary>
    public string Name => Number > 0 && Number < Names.Length ? "SIG" + Names[Number] : $"SIG{Number}";

    /// <summary>Parses a name with or without <c>SIG</c>, in any case, or a number from 1 to 64.</summary>
    /// <exception cref="FormatException">The text is not a signal.</exception>
    public static Signal Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var signal)
            ? signal
            : throw new FormatException($"'{s}' is not a signal: give a name such as SIGTERM or a number from 1 to 64.");

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static Signal Parse(string s) => Parse(s, null);

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Signal result)
    {
        result = default;
        if (string.IsNullOrEmpty(s)) return false;
        var text = s.StartsWith("SIG", StringComparison.OrdinalIgnoreCase) ? s[3..] : s;
        if (int.TryParse(text, System.Globalization.NumberStyles.None, null, out var number))
        {
            result = new Signal(number);
            return number is >= 1 and <= 64;
        }

        number = Array.FindIndex(Names, 1, name => name.Equals(text, StringComparison.OrdinalIgnoreCase));
        result = new Signal(Math.Max(number, 0));
        return number > 0;
    }

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out Signal)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out Signal result) => TryParse(s, null, out result);

    /// <summary>Returns <see cref="Name"/>.</summary>
    public override string ToString() => Name;
}
