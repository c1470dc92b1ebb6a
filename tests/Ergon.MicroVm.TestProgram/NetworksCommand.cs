using System.Globalization;
using System.Text.Json;
using Ergon.Linux.Networking;
using Ergon.MicroVm.Execution;
using Ergon.Networks;

namespace Ergon.MicroVm.TestProgram;

/// <summary>An executor's part in networks: reads one command a line, answers each with one line.</summary>
internal static class NetworksCommand
{
    public static async Task<int> RunAsync(string directory)
    {
        using var networks = new BridgeNetworks(new BridgeNetworkOptions { StateDirectory = directory, FallbackDns = ["192.0.2.53"] }, TimeProvider.System);
        while (await Console.In.ReadLineAsync() is { } line)
        {
            string answer;
            try
            {
                answer = "ok " + await AnswerAsync(networks, line.Split(' '));
            }
            catch (ExecutorException e)
            {
                answer = $"error {e.Code} {e.Message}";
            }

            Console.WriteLine(answer.ReplaceLineEndings(" "));
        }

        return 0;
    }

    private static async Task<string> AnswerAsync(BridgeNetworks networks, string[] words)
    {
        switch (words)
        {
            case ["create", var executor, var execution, var uid, .. var spec]:
                return Text(await networks.CreateAsync(executor, ExecutionId.Parse(execution), Spec(spec), network => MakeTap(network, uint.Parse(uid, CultureInfo.InvariantCulture)), CancellationToken.None));
            case ["find", var executor, var execution]:
                return Text(await networks.FindAsync(executor, ExecutionId.Parse(execution), CancellationToken.None));
            case ["remove", var executor, var execution]:
                await networks.RemoveAsync(executor, ExecutionId.Parse(execution), CancellationToken.None);
                return "";
            case ["cleanup", var executor, .. var keep]:
                await networks.CleanupAsync(executor, keep.Select(ExecutionId.Parse).ToHashSet(), CancellationToken.None);
                return "";
            case ["probe"]:
                return await networks.ProbeAsync(TapProbe.Take(), CancellationToken.None) is { } problem ? $"{problem.Problem} | {problem.Remedy}" : "";
            default:
                throw new ArgumentException(string.Join(' ', words), nameof(words));
        }
    }

    private static Task MakeTap(BridgeNetwork network, uint owner)
    {
        TapDevice.CreatePersistent(network.InterfaceName, owner);
        return Task.CompletedTask;
    }

    // dns=ADDRESS, or ADDRESS:HOSTPORT:PORT/tcp, with '-' for no address.
    private static NetworkSpec Spec(string[] words) => new()
    {
        Mode = NetworkMode.Bridge,
        Dns = [.. words.Where(w => w.StartsWith("dns=", StringComparison.Ordinal)).Select(w => w[4..])],
        Ports = [.. words.Where(w => w.Contains('/')).Select(Port)],
    };

    private static PortMapping Port(string word)
    {
        var parts = word.Split(':', '/');
        return new PortMapping
        {
            HostIp = parts[0] == "-" ? null : parts[0],
            HostPort = int.Parse(parts[1], CultureInfo.InvariantCulture),
            ExecutorPort = int.Parse(parts[2], CultureInfo.InvariantCulture),
            Protocol = Enum.Parse<PortProtocol>(parts[3], ignoreCase: true),
        };
    }

    private static string Text(BridgeNetwork? network) => network is null ? "null" : JsonSerializer.Serialize(network, NetworkJsonContext.Default.BridgeNetwork);
}
