using System.Diagnostics.Metrics;
using Ergon.Drivers;
using Ergon.MicroVm.Execution;
using Ergon.MicroVm.Vmm;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Creates executors that run jobs in Firecracker microVMs.</summary>
public static class FirecrackerExecutor
{
    /// <summary>The engine spec type, which is also the executor's name.</summary>
    public const string Type = "firecracker";

    /// <summary>Creates an executor.</summary>
    /// <param name="options">How guests are made, and what requests may ask for.</param>
    /// <param name="executorOptions">The settings that do not depend on the backend.</param>
    /// <param name="loggerFactory">Takes the executor's log.</param>
    /// <param name="meterFactory">Makes the executor's meter.</param>
    /// <param name="timeProvider">The clock.</param>
    public static Executor Create(
        FirecrackerOptions? options = null,
        ExecutorOptions? executorOptions = null,
        ILoggerFactory? loggerFactory = null,
        IMeterFactory? meterFactory = null,
        TimeProvider? timeProvider = null) =>
        new(CreateDriver(options, loggerFactory, timeProvider), executorOptions, loggerFactory, meterFactory, timeProvider);

    /// <summary>Adds the executor <c>firecracker</c>.</summary>
    /// <param name="builder">The list of executors.</param>
    /// <param name="options">How guests are made, and what requests may ask for.</param>
    /// <param name="executorOptions">The executor's settings; <see langword="null"/>: those given to <c>AddErgon</c>.</param>
    public static ErgonBuilder AddFirecracker(this ErgonBuilder builder, FirecrackerOptions? options = null, ExecutorOptions? executorOptions = null) =>
        builder.AddExecutor(Type, provider => CreateDriver(options, provider.GetService<ILoggerFactory>(), provider.GetService<TimeProvider>()), executorOptions);

    private static IExecutionDriver CreateDriver(FirecrackerOptions? options, ILoggerFactory? loggerFactory, TimeProvider? timeProvider)
    {
        var settings = options ?? new FirecrackerOptions();
        return MicroVmDriver.Create(
            Type, settings, machineTypes: [], hasMetadata: true, loggerFactory, timeProvider,
            host => new FirecrackerVmm(settings, new FirecrackerProbe(settings), host.Events, SnapshotsOf(settings, host)));
    }

    private static MachineSnapshots? SnapshotsOf(FirecrackerOptions options, VmmHost host) =>
        options.Snapshots ? new MachineSnapshots(Path.Combine(host.Cache, "snapshots", Type), options.MaxSnapshots, options.BootTimeout, host.Logger, host.Time) : null;
}
