// Stands in for Firecracker where none is to be had: the same API, as strict as the real one, and QEMU behind it.
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Ergon.Firecracker.StandIn;
using Ergon.Firecracker.StandIn.Api;
using Ergon.Firecracker.StandIn.Http;
using Ergon.Linux;

const int Failed = 1;
const int BadId = 134;
const int BadArgument = 153;
const int HangUp = 156;
const int Interrupt = 2;
const int Terminate = 15;

if (args is ["--version"])
{
    Console.WriteLine(StandInVersion.Text);
    return 0;
}

Arguments arguments;
try
{
    arguments = Arguments.Parse(args);
}
catch (ArgumentsException e)
{
    Console.Error.WriteLine($"Arguments parsing error: {e.Message}");
    return BadArgument;
}

if (!arguments.HasGoodId) return Log("Invalid instance ID.", BadId);

// These two end it as they end any program that does nothing about them.
_ = Libc.SetSignalHandler(Terminate, 0);
_ = Libc.SetSignalHandler(Interrupt, 0);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, _ => Environment.Exit(HangUp));
using var server = new ApiServer(new ApiHandler(arguments.Id).HandleAsync);
try
{
    server.Listen(arguments.ApiSocket);
}
catch (SocketException e)
{
    return Log($"RunWithApiError error: Failed to open the API socket at: {arguments.ApiSocket}. Check that it is not already used. ({e.Message})", Failed);
}

await server.ServeAsync();
return 0;

int Log(string message, int code)
{
    var line = $"[{arguments.Id}:main:ERROR:stand-in] {message}{Environment.NewLine}";
    if (arguments.LogPath is { } path) File.AppendAllText(path, line);
    else Console.Write(line);
    return code;
}
