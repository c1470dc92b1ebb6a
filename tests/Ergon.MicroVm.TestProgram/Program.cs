// Does what the tests ask for inside a network namespace of their choice, as a process of its own that can be killed.
using System.Globalization;
using Ergon.MicroVm.TestProgram;

return args switch
{
    ["networks", var directory] => await NetworksCommand.RunAsync(directory),
    ["cable", var tap, var otherNamespace, var otherTap] => Cable.Run(tap, otherNamespace, otherTap),
    ["attach", var tap] => Cable.Attach(tap),
    ["serve", var address, var port, var name] => await Conversation.ServeAsync(address, Number(port), name),
    ["ask", var protocol, var address, var port, var sourceAddress, var sourcePort] =>
        await Conversation.AskAsync(protocol, address, Number(port), sourceAddress, Number(sourcePort)),
    ["execute" or "execute-warm", var kernel, var cache, var images, var executorId, var dataDirectory, .. var requests] =>
        await ExecutorCommand.RunAsync(args[0] == "execute-warm", kernel, cache, images, executorId, dataDirectory, requests),
    _ => 64,
};

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
