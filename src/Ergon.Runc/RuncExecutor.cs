using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ergon.Runc;

/// <summary>Creates executors that run jobs in containers of an OCI runtime.</summary>
public static class RuncExecutor
{
    /// <summary>Creates an executor.</summary>
    public static Executor Create(
        RuncOptions? options = null,
        ExecutorOptions? executorOptions = null,
        ILoggerFactory? loggerFactory = null,
        IMeterFactory? meterFactory = null,
        TimeProvider? timeProvider = null) =>
        new(new RuncDriver(options, loggerFactory, timeProvider), executorOptions, loggerFactory, meterFactory, timeProvider);

    /// <summary>Adds a runc executor.</summary>
    /// <param name="builder">The list of executors.</param>
    /// <param name="options">The driver's settings.</param>
    /// <param name="executorOptions">The executor's settings; <see langword="null"/>: those given to <c>AddErgon</c>.</param>
    public static ErgonBuilder AddRunc(this ErgonBuilder builder, RuncOptions? options = null, ExecutorOptions? executorOptions = null) =>
        builder.AddExecutor(
            RuncSpec.Type,
            provider => new RuncDriver(options, provider.GetService<ILoggerFactory>(), provider.GetService<TimeProvider>()),
            executorOptions);
}
