using Ergon.Client.Wire;
using P = Ergon.Protocol.V1;

namespace Ergon.Daemon.Rpc;

/// <summary>What is the operator's alone, to the wire.</summary>
internal static class WireAdmin
{
    public static P.DrainStatus ToWire(this DrainProgress progress)
    {
        var wire = new P.DrainStatus { Active = progress.Active };
        if (progress.State is { } state) (wire.Since, wire.By) = (state.Since.ToWire(), state.By);
        return wire;
    }
}
