using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ergon.Docker;

/// <summary>Creates executors on a Docker Engine.</summary>
public static class DockerExecutor
{
    /// <summary>Creates an executor without a service container.</summary>
    /// <param name="options">How to reach the Engine, and what requests may loosen.</param>
    /// <param name="executorOptions">The settings that do not depend on the backend.</param>
    /// <param name="loggerFactory">Takes the executor's log.</param>
    /// <param name="meterFactory">Makes the executor's meter.</param>
    /// <param name="timeProvider">The clock.</param>
    public static Executor Create(
        DockerOptions? options = null,
        ExecutorOptions? executorOptions = null,
        ILoggerFactory? loggerFactory = null,
        IMeterFactory? meterFactory = null,
        TimeProvider? timeProvider = null) =>
        new(new DockerDriver(options, timeProvider), executorOptions, loggerFactory, meterFactory, timeProvider);

    /// <summary>Adds the executor <c>docker</c>.</summary>
    /// <param name="builder">The list of executors.</param>
    /// <param name="options">How to reach the Engine, and what requests may loosen.</param>
    /// <param name="executorOptions">The executor's settings; <see langword="null"/>: those given to <c>AddErgon</c>.</param>
    public static ErgonBuilder AddDocker(this ErgonBuilder builder, DockerOptions? options = null, ExecutorOptions? executorOptions = null) =>
        builder.AddExecutor(DockerDriver.DriverName, provider => new DockerDriver(options, provider.GetService<TimeProvider>()), executorOptions);
}
