using System.Net.NetworkInformation;
using System.Runtime.Versioning;
using Ergon.Linux.Networking;

namespace Ergon.Networks;

/// <summary>
/// The host's side of <c>bridge</c> networks: for each an interface that leads to a guest, addresses, rules and ports, made together and
/// removed together, by any number of executors at a time.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed partial class BridgeNetworks(BridgeNetworkOptions options, TimeProvider time) : IDisposable
{
    private const int DefaultMtu = 1500;

    private readonly NetworkRecords _records = new(options.StateDirectory, time);
    private readonly NftCommand _nft = new(time);
    private readonly ForwardPolicy _forward = new(new NftCommand(time));
    private readonly HostPorts _ports = new();

    // The file lock keeps others out, but every waiter for it costs a thread.
    private readonly SemaphoreSlim _gate = new(1);

    /// <summary>Lets go of the host ports; the networks stay as they are.</summary>
    public void Dispose()
    {
        _ports.Dispose();
        _gate.Dispose();
    }

    /// <summary>
    /// Makes a network, in place of what a crashed attempt left. Throws with nothing left behind.
    /// </summary>
    /// <param name="executorId">The executor.</param>
    /// <param name="executionId">The execution.</param>
    /// <param name="spec">What is asked for.</param>
    /// <param name="connect">Makes the interface of the network's name, so that its other end is the guest's.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ExecutorException">A host port is taken, or the host does not allow it.</exception>
    public ValueTask<BridgeNetwork> CreateAsync(string executorId, ExecutionId executionId, NetworkSpec spec, Func<BridgeNetwork, Task> connect, CancellationToken cancellationToken) =>
        ChangeAsync(executorId, async all =>
        {
            var name = NetworkRecord.InterfaceOf(executorId, executionId);
            var former = all.Where(r => r.Network.InterfaceName == name).ToList();
            var others = all.Except(former).ToList();
            if (former.Count > 0) await DestroyAsync(executorId, former, others, cancellationToken);
            var network = await PlanAsync(name, spec, others, cancellationToken);
            var record = new NetworkRecord { ExecutorId = executorId, ExecutionId = executionId.Value, Network = network };
            try
            {
                await MakeAsync(record, others, connect, cancellationToken);
                return network;
            }
            catch
            {
                await DestroyAsync(executorId, [record], others, CancellationToken.None);
                throw;
            }
        }, cancellationToken);

    /// <summary>Finds the network that a former process made, and holds its ports again; <see langword="null"/> when there is none.</summary>
    public ValueTask<BridgeNetwork?> FindAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        var name = NetworkRecord.InterfaceOf(executorId, executionId);
        if (!_records.Knows(name) || !NetworkLink.Exists(name)) return new((BridgeNetwork?)null);
        return ChangeAsync(executorId, async all =>
        {
            if (all.FirstOrDefault(r => r.Network.InterfaceName == name) is not { } record) return null;
            _ports.Hold(name, record.Network.Ports);

            // Somebody may have flushed the rules meanwhile.
            await _forward.LetGuestsThroughAsync(cancellationToken);
            await _nft.ApplyAsync(RulesOf(executorId, all), cancellationToken);
            return record.Network;
        }, cancellationToken);
    }

    /// <summary>Removes a network with everything that belongs to it, whole or not; nothing happens when there is none.</summary>
    public async ValueTask RemoveAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        var name = NetworkRecord.InterfaceOf(executorId, executionId);
        if (!_records.Knows(name) && !NetworkLink.Exists(name)) return;
        await ChangeAsync(executorId, async all =>
        {
            var doomed = all.Where(r => r.Network.InterfaceName == name).ToList();
            if (doomed.Count == 0) NetworkLink.Delete(name);
            await DestroyAsync(executorId, doomed, [.. all.Except(doomed)], cancellationToken);
            return true;
        }, cancellationToken);
    }

    /// <summary>Removes every network of an executor, except those of some executions.</summary>
    public async ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken)
    {
        // Who may not make networks has made none; the driver asks all the same.
        if (NftCommand.Find("nft") is null || !await IsAdministratorAsync(cancellationToken)) return;
        var kept = keep.Select(id => NetworkRecord.InterfaceOf(executorId, id)).ToHashSet();
        await ChangeAsync(executorId, async all =>
        {
            var doomed = all.Where(r => r.ExecutorId == executorId && !kept.Contains(r.Network.InterfaceName)).ToList();
            foreach (var left in ListInterfaces().Where(n => !kept.Contains(n) && NetworkLink.GetAlias(n)?.StartsWith(executorId + "/", StringComparison.Ordinal) == true))
                NetworkLink.Delete(left);
            await DestroyAsync(executorId, doomed, [.. all.Except(doomed)], cancellationToken);
            return true;
        }, cancellationToken);
    }

    private static IEnumerable<string> ListInterfaces() =>
        NetworkInterface.GetAllNetworkInterfaces().Select(i => i.Name).Where(n => n.StartsWith(NetworkRecord.InterfacePrefix, StringComparison.Ordinal));

    private static string RulesOf(string executorId, IEnumerable<NetworkRecord> networks) =>
        NetworkRules.Render(executorId, [.. networks.Where(n => n.ExecutorId == executorId)]);

    private async ValueTask<T> ChangeAsync<T>(string executorId, Func<IReadOnlyList<NetworkRecord>, Task<T>> change, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            using var @lock = await _records.LockAsync(cancellationToken);
            return await change(await _records.LoadAsync(cancellationToken));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(
                ErrorCode.BackendFailed, $"The bridge networks of the executor '{executorId}' could not be changed: {e.Message}. 'ergon doctor' tells what is missing here.", innerException: e);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<BridgeNetwork> PlanAsync(string name, NetworkSpec spec, IReadOnlyList<NetworkRecord> others, CancellationToken cancellationToken)
    {
        var routes = await HostRoutes.ReadAsync(cancellationToken);
        var range = routes.FindFree(options.AddressPool, others.Select(o => o.Range)) ?? throw new ExecutorException(
            ErrorCode.ResourcesUnavailable, $"All addresses of {options.AddressPool} are in use. Try again when an execution has ended, or give a larger range in the options.");
        var guest = AddressRange.Address(range.First + 2);
        var nameServers = await NameServers.ChooseAsync(spec, options, cancellationToken);
        return new BridgeNetwork
        {
            InterfaceName = name,
            GuestAddress = guest.ToString(),
            PrefixLength = range.PrefixLength,
            Gateway = AddressRange.Address(range.First + 1).ToString(),

            // A locally administered address that no other guest of the machine has.
            GuestMac = "06:00:" + string.Join(':', guest.GetAddressBytes().Select(b => b.ToString("x2"))),
            Mtu = (routes.DefaultInterface is { } outside ? NetworkLink.GetMtu(outside) : null) ?? DefaultMtu,
            NameServers = nameServers,

            // Last: what is reserved here is released when the making of the network fails.
            Ports = _ports.Reserve(name, spec.Ports, others),
        };
    }

    private async Task MakeAsync(NetworkRecord record, IReadOnlyList<NetworkRecord> others, Func<BridgeNetwork, Task> connect, CancellationToken cancellationToken)
    {
        await _records.AddAsync(record, cancellationToken);
        await HostSettings.ForwardPacketsAsync(cancellationToken);
        await _forward.LetGuestsThroughAsync(cancellationToken);

        // The rules name an interface that does not exist yet, so that there is no moment in which it exists without them.
        await _nft.ApplyAsync(RulesOf(record.ExecutorId, [.. others, record]), cancellationToken);
        var name = record.Network.InterfaceName;
        NetworkLink.Delete(name);
        await connect(record.Network);
        var alias = $"{record.ExecutorId}/{record.ExecutionId}";
        NetworkLink.Describe(name, alias[..Math.Min(alias.Length, NetworkLink.MaxAliasLength)], record.Network.Mtu);
        await HostSettings.PrepareAsync(name, leadsFromLoopback: record.Network.Ports.Count > 0, cancellationToken);
        NetworkLink.AddAddress(name, System.Net.IPAddress.Parse(record.Network.Gateway), record.Network.PrefixLength);
        NetworkLink.SetUp(name);
    }

    private async Task DestroyAsync(string executorId, IReadOnlyList<NetworkRecord> doomed, IReadOnlyList<NetworkRecord> others, CancellationToken cancellationToken)
    {
        // The interfaces before the rules, so that there is no moment in which one exists without them.
        foreach (var record in doomed)
        {
            NetworkLink.Delete(record.Network.InterfaceName);
            _ports.Release(record.Network.InterfaceName);
        }

        await _nft.ApplyAsync(RulesOf(executorId, others), cancellationToken);
        await _forward.ForgetGuestsAsync(cancellationToken);
        foreach (var record in doomed) ForgetConnections(record);
        foreach (var record in doomed) _records.Remove(record);
    }

    private static void ForgetConnections(NetworkRecord record)
    {
        try
        {
            ConnectionTracking.Forget(record.GuestAddress);
        }
        catch (Linux.LinuxException)
        {
            // Where the kernel does not show them they end by themselves, within minutes.
        }
    }
}
