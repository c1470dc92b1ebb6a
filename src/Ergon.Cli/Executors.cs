using Ergon.Daemon.Executors;
using Ergon.Docker;

namespace Ergon.Cli;

/// <summary>The executors that this command knows. Who types a command is its own operator: what the machine allows, it may do.</summary>
internal static class Executors
{
    public static IReadOnlyList<string> Names => ExecutorFactory.Names;

    /// <exception cref="ExecutorException"><see cref="ErrorCode.NotSupported"/> for a name that it does not know.</exception>
    public static Executor Create(string name) => ExecutorFactory.Create(name, new BackendOptions { Docker = new DockerOptions { ConnectEarly = true } });
}
