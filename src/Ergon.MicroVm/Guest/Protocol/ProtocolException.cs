namespace Ergon.MicroVm.Guest.Protocol;

/// <summary>The other side sent bytes that the protocol does not allow.</summary>
internal sealed class ProtocolException(string message) : IOException(message);
