using System.Diagnostics.Metrics;
using Ergon.Drivers;
using Ergon.MicroVm.Execution;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ergon.MicroVm.Qemu;

/// <summary>Creates executors that run jobs in QEMU virtual machines.</summary>
public static class QemuExecutor
{
    /// <summary>The engine spec type, which is also the executor's name.</summary>
    public const string Type = "qemu";

    /// <summary>Creates an executor.</summary>
    /// <param name="options">How guests are made, and what requests may ask for.</param>
    /// <param name="executorOptions">The settings that do not depend on the backend.</param>
    /// <param name="loggerFactory">Takes the executor's log.</param>
    /// <param name="meterFactory">Makes the executor's meter.</param>
    /// <param name="timeProvider">The clock.</param>
    public static Executor Create(
        QemuOptions? options = null,
        ExecutorOptions? executorOptions = null,
        ILoggerFactory? loggerFactory = null,
        IMeterFactory? meterFactory = null,
        TimeProvider? timeProvider = null) =>
        new(CreateDriver(options, loggerFactory, timeProvider), executorOptions, loggerFactory, meterFactory, timeProvider);

    /// <summary>Adds the executor <c>qemu</c>.</summary>
    /// <param name="builder">The list of executors.</param>
    /// <param name="options">How guests are made, and what requests may ask for.</param>
    /// <param name="executorOptions">The executor's settings; <see langword="null"/>: those given to <c>AddErgon</c>.</param>
    public static ErgonBuilder AddQemu(this ErgonBuilder builder, QemuOptions? options = null, ExecutorOptions? executorOptions = null) =>
        builder.AddExecutor(Type, provider => CreateDriver(options, provider.GetService<ILoggerFactory>(), provider.GetService<TimeProvider>()), executorOptions);

    private static IExecutionDriver CreateDriver(QemuOptions? options, ILoggerFactory? loggerFactory, TimeProvider? timeProvider)
    {
        var settings = options ?? new QemuOptions();
        return MicroVmDriver.Create(
            Type, settings, settings.MachineTypes, hasMetadata: false, loggerFactory, timeProvider,
            host => new QemuVmm(settings, host.Boot, host.Cache, host.Events, host.Logger, host.Time));
    }
}
