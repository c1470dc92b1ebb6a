using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ergon.Process;

/// <summary>Creates executors that run jobs as local processes.</summary>
public static class ProcessExecutor
{
    /// <summary>Creates an executor.</summary>
    public static Executor Create(
        ProcessOptions? options = null,
        ExecutorOptions? executorOptions = null,
        ILoggerFactory? loggerFactory = null,
        IMeterFactory? meterFactory = null,
        TimeProvider? timeProvider = null) =>
        new(new ProcessDriver(options, loggerFactory, timeProvider), executorOptions, loggerFactory, meterFactory, timeProvider);

    /// <summary>Adds a process executor.</summary>
    /// <param name="builder">The list of executors.</param>
    /// <param name="options">The driver's settings.</param>
    /// <param name="executorOptions">The executor's settings; <see langword="null"/>: those given to <c>AddErgon</c>.</param>
    public static ErgonBuilder AddProcess(this ErgonBuilder builder, ProcessOptions? options = null, ExecutorOptions? executorOptions = null) =>
        builder.AddExecutor(
            ProcessSpec.Type,
            provider => new ProcessDriver(options, provider.GetService<ILoggerFactory>(), provider.GetService<TimeProvider>()),
            executorOptions);
}
