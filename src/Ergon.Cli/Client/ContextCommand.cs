using System.CommandLine;
using Ergon.Client;

namespace Ergon.Cli.Client;

/// <summary><c>ergon context</c>: names for several daemons.</summary>
internal static class ContextCommand
{
    public static Command Create() => new("context", "Names daemons, and chooses the one that commands talk to.") { CreateList(), CreateAdd(), CreateUse(), CreateRemove() };

    private static Command CreateList()
    {
        var list = new Command("ls", "Lists the contexts; the one in use has a star.");
        list.SetAction(_ => Guarded(() =>
        {
            var file = ContextFile.Read();
            Console.WriteLine($"{(file.Current is null ? "*" : " ")} {DaemonChoice.Local}\tno daemon");
            foreach (var (name, context) in file.Contexts.OrderBy(c => c.Key, StringComparer.Ordinal))
                Console.WriteLine($"{(name == file.Current ? "*" : " ")} {name}\t{context.Host}");
        }));
        return list;
    }

    private static Command CreateAdd()
    {
        var name = new Argument<string>("name") { Description = "A name of your own." };
        var host = new Argument<string>("host") { Description = "unix:///path or https://host:port." };
        var token = new Option<string?>("--token-file") { Description = "A file with the token that proves who calls.", HelpName = "FILE" };
        var ca = new Option<string?>("--ca") { Description = "The authorities that signed the daemon's certificate (PEM).", HelpName = "FILE" };
        var certificate = new Option<string?>("--cert") { Description = "The certificate that proves who calls (PEM).", HelpName = "FILE" };
        var key = new Option<string?>("--key") { Description = "Its private key (PEM), if it is not in the same file.", HelpName = "FILE" };
        var add = new Command("add", "Adds a context, or replaces it.") { name, host, token, ca, certificate, key };
        add.SetAction(parsed => Guarded(() =>
        {
            var (called, address) = (parsed.GetRequiredValue(name), parsed.GetRequiredValue(host));
            if (called == DaemonChoice.Local || !Identifier.IsValid(called)) throw Invalid($"'{called}' cannot be the name of a context: give {Identifier.Rule}, and not '{DaemonChoice.Local}'.");
            if (!DaemonAddress.TryParse(address, out _)) throw Invalid($"'{address}' is not the address of a daemon; give unix:///path or https://host:port.");
            var file = ContextFile.Read();
            var context = new DaemonContext { Host = address, TokenFile = Full(parsed.GetValue(token)), Ca = Full(parsed.GetValue(ca)), Certificate = Full(parsed.GetValue(certificate)), Key = Full(parsed.GetValue(key)) };
            (file with { Contexts = new Dictionary<string, DaemonContext>(file.Contexts) { [called] = context } }).Write();
        }));
        return add;
    }

    private static Command CreateUse()
    {
        var name = new Argument<string>("name") { Description = $"A context, or '{DaemonChoice.Local}' for no daemon." };
        var use = new Command("use", "Chooses the daemon that commands talk to.") { name };
        use.SetAction(parsed => Guarded(() =>
        {
            var file = ContextFile.Read();
            var called = parsed.GetRequiredValue(name);
            if (called != DaemonChoice.Local && !file.Contexts.ContainsKey(called)) throw Invalid($"There is no context '{called}'; 'ergon context ls' shows those that there are.");
            (file with { Current = called == DaemonChoice.Local ? null : called }).Write();
        }));
        return use;
    }

    private static Command CreateRemove()
    {
        var name = new Argument<string>("name") { Description = "The context." };
        var remove = new Command("rm", "Forgets a context.") { name };
        remove.SetAction(parsed => Guarded(() =>
        {
            var file = ContextFile.Read();
            var called = parsed.GetRequiredValue(name);
            var rest = new Dictionary<string, DaemonContext>(file.Contexts);
            if (!rest.Remove(called)) throw Invalid($"There is no context '{called}'.");
            (file with { Contexts = rest, Current = file.Current == called ? null : file.Current }).Write();
        }));
        return remove;
    }

    private static string? Full(string? path) => path is null ? null : Path.GetFullPath(path);

    private static ExecutorException Invalid(string message) => new(ErrorCode.InvalidRequest, message);

    private static int Guarded(Action act)
    {
        try
        {
            act();
            return 0;
        }
        catch (ExecutorException e)
        {
            Console.Error.WriteLine($"ergon: {e.Message}");
            return ExitCodes.ErgonFailed;
        }
    }
}
