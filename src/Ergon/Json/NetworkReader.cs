namespace Ergon.Json;

/// <summary>Reads the network of a request, parts of which a Go encoder keeps in the request itself.</summary>
internal static class NetworkReader
{
    public static NetworkSpec Read(JsonFields request)
    {
        var fields = request["network"]?.Fields(RequestFields.Network);
        return new NetworkSpec
        {
            Mode = fields?["mode"]?.Choice<NetworkMode>(),
            Ports = Either(fields?["ports"], request[RequestFields.Ports])?.List(ReadPort, "a list of ports") ?? [],
            GatewayIp = Either(fields?["gateway_ip"], request[RequestFields.GatewayIp])?.Text(),
            Dns = fields?["dns"]?.List(value => value.Text(), "a list of addresses") ?? [],
        };
    }

    private static JsonValue? Either(JsonValue? inside, JsonValue? outside)
    {
        if (inside is not null) outside?.Invalid("is given twice, in the network and in the request itself; give it once.");
        return inside ?? outside;
    }

    private static PortMapping? ReadPort(JsonValue value)
    {
        if (value.Fields(RequestFields.Port) is not { } fields) return null;
        return new PortMapping
        {
            HostIp = fields["host_ip"]?.Text(),
            HostPort = ReadNumber(fields["host_port"]) ?? 0,
            ExecutorPort = ReadNumber(fields.Required("executor_port", "the port inside the execution")) ?? 0,
            Protocol = fields["protocol"]?.Choice<PortProtocol>() ?? PortProtocol.Tcp,
        };
    }

    private static int? ReadNumber(JsonValue? value) => (int?)value?.Integer(int.MinValue, int.MaxValue, "a port's number");
}
