using System.Diagnostics.Metrics;
using Ergon.Drivers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Ergon;

/// <summary>Adds executors to a service collection.</summary>
public static class ErgonServiceCollectionExtensions
{
    /// <summary>Begins a list of executors: <c>services.AddErgon().AddDocker().AddProcess()</c>.</summary>
    /// <param name="services">The collection to add to.</param>
    /// <param name="options">The settings of executors that are added without their own.</param>
    public static ErgonBuilder AddErgon(this IServiceCollection services, ExecutorOptions? options = null) =>
        new(services, options ?? new ExecutorOptions());
}

/// <summary>A list of executors in a service collection.</summary>
public sealed class ErgonBuilder
{
    private readonly ExecutorOptions _options;

    internal ErgonBuilder(IServiceCollection services, ExecutorOptions options) => (Services, _options) = (services, options);

    /// <summary>The collection.</summary>
    public IServiceCollection Services { get; }

    /// <summary>
    /// Adds an executor on a driver. It is had as the keyed <see cref="IExecutor"/> of its name; the first one added is the
    /// <see cref="IExecutor"/> without a key.
    /// </summary>
    /// <param name="name">The driver's name.</param>
    /// <param name="createDriver">Creates the driver, which the executor then owns.</param>
    /// <param name="options">The executor's settings; <see langword="null"/>: those given to <c>AddErgon</c>.</param>
    public ErgonBuilder AddExecutor(string name, Func<IServiceProvider, IExecutionDriver> createDriver, ExecutorOptions? options = null)
    {
        Services.AddKeyedSingleton(name, (provider, _) => new Executor(
            createDriver(provider),
            options ?? _options,
            provider.GetService<ILoggerFactory>(),
            provider.GetService<IMeterFactory>(),
            provider.GetService<TimeProvider>()));
        Services.AddKeyedSingleton<IExecutor>(name, (provider, key) => provider.GetRequiredKeyedService<Executor>(key));
        Services.TryAddSingleton<IExecutor>(provider => provider.GetRequiredKeyedService<Executor>(name));
        return this;
    }
}
