namespace Ergon.Firecracker.StandIn.Api;

/// <summary>A request that is refused, with the words of the real one.</summary>
internal sealed class FaultException(string message) : Exception(message);
