using System.Globalization;
using System.Text;

namespace Ergon.Conformance;

/// <summary>Writes steps as a script for any POSIX shell (dash, busybox ash) with nothing but busybox applets or coreutils.</summary>
public static class ShellScript
{
    /// <summary>The largest file the octal form of which fits into one argument with ease.</summary>
    private const int MaxPrint = 16 * 1024;

    /// <summary>The script of some steps, one line a step.</summary>
    public static string From(IEnumerable<Step> steps) => string.Join('\n', steps.Select(Line)) + "\n";

    private static string Line(Step step) => step switch
    {
        PrintStep s => Printf(s.Bytes) + To(s.Stream),
        PrintPatternStep s => PatternLine(s),
        PrintEndlesslyStep s => "yes 'endless output'" + To(s.Stream),
        TickStep => "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done",
        SleepStep s => "sleep " + s.Seconds.ToString(CultureInfo.InvariantCulture),
        HangStep => "while :; do sleep 1000 & wait $!; done",
        BurnStep => "while :; do :; done",
        ExitStep s => $"exit {s.Code}",
        OnSignalStep s => $"trap {Quote(s.Handler.Length == 0 ? ":" : From(s.Handler))} {s.Signal}",
        WaitForSignalStep s => $"go=; trap 'go=1' {s.Signal}; echo waiting; while [ -z \"$go\" ]; do sleep 0.05; done",
        KillSelfStep s => $"kill -{s.Signal} $$",
        ReadFileStep s => $"cat {Quote(s.Path)} || exit 66",
        WriteFileStep s => $"{Printf(s.Bytes)} > {Quote(s.Path)} || exit 73",
        PrintVariableStep s => $"if [ -n \"${{{s.Name}+set}}\" ]; then printf '[%s]\\n' \"${s.Name}\"; else echo unset; fi",
        PrintArgumentsStep => "for a in \"$@\"; do printf '[%s]\\n' \"$a\"; done",
        PrintWorkingDirectoryStep => "pwd",
        CopyInputStep => "cat",
        PrintTerminalSizesStep => "echo terminal; while read -r _; do stty size; done",
        TogetherStep s => string.Join(' ', s.Branches.Select(b => $"({From(b)}) &")) + " wait",
        BackgroundStep s => $"({From(s.Steps)}) &",
        ExhaustMemoryStep => "exec tail /dev/zero",
        SpawnStep s => $"i=0; while [ $i -lt {s.Count} ]; do sleep 1000 & i=$((i+1)); done",
        ListenStep s => $"{FindNetcat}; {Printf(Encoding.UTF8.GetBytes(s.Reply))} | $nc -l -p {s.Port}",
        ConnectStep s => $"{FindNetcat}; $nc -w 5 {Quote(s.Host)} {s.Port} < /dev/null || exit 68",
        PrintInterfacesStep => "while read -r l; do case \"$l\" in *:*) echo \"${l%%:*}\";; esac; done < /proc/net/dev",
        _ => throw new NotSupportedException($"{step.GetType().Name} has no shell form."),
    };

    /// <summary>Other netcats than busybox's have other options.</summary>
    private const string FindNetcat = "nc=nc; if command -v busybox > /dev/null; then nc='busybox nc'; fi";

    private static string PatternLine(PrintPatternStep step) =>
        $"b=$(seq {Pattern.FirstNumber} {Pattern.LastNumber}); i=0; while [ $i -lt {Pattern.BlocksFor(step.Size)} ]; do " +
        $"printf '%s %s\\n' $i \"$b\"; i=$((i+1)); done | head -c {step.Size}" + To(step.Stream);

    private static string To(OutputStream stream) => stream == OutputStream.Stderr ? " >&2" : "";

    private static string Printf(byte[] bytes)
    {
        if (bytes.Length > MaxPrint) throw new ArgumentException($"Print at most {MaxPrint} bytes, or a pattern.", nameof(bytes));
        var text = new StringBuilder("printf '");
        foreach (var b in bytes)
        {
            if (char.IsAsciiLetterOrDigit((char)b) || b is (byte)' ' or (byte)'.' or (byte)',') text.Append((char)b);
            else text.Append('\\').Append(Convert.ToString(b, 8).PadLeft(3, '0'));
        }

        return text.Append('\'').ToString();
    }

    private static string Quote(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
