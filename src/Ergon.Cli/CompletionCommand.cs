using System.CommandLine;

namespace Ergon.Cli;

/// <summary><c>ergon completion SHELL</c>: prints a script that completes ergon's command line in a shell.</summary>
internal static class CompletionCommand
{
    // Each asks ergon itself, by the directive that the command line library answers, so that no script is ever out of date.
    private const string Bash = """
        _ergon() {
          local line="${COMP_LINE:0:COMP_POINT}" word="${COMP_WORDS[COMP_CWORD]}"
          mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${#line}]" "$line" 2>/dev/null)" -- "$word")
        }
        complete -o default -F _ergon ergon
        """;

    private const string Zsh = """
        #compdef ergon
        _ergon() {
          local -a found
          found=("${(@f)$(${words[1]} "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
          compadd -a found
          _files
        }
        compdef _ergon ergon
        """;

    private const string Fish = """
        function __ergon_complete
          set -l line (commandline -cp)
          ergon "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c ergon -a '(__ergon_complete)'
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Prints a script that completes ergon's command line: 'source <(ergon completion bash)'.") { shell };
        command.SetAction(parsed => Console.WriteLine(parsed.GetValue(shell) switch { "bash" => Bash, "zsh" => Zsh, _ => Fish }));
        return command;
    }
}
