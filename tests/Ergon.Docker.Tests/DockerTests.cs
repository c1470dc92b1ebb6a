using System.Text;
using Docker.DotNet;
using Docker.DotNet.Models;
using Ergon.Drivers;

namespace Ergon.Docker.Tests;

/// <summary>What the tests of the Docker executor share. Each has a deadline, executors of its own, and leaves nothing in the Engine.</summary>
public abstract class DockerTests : IAsyncDisposable
{
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromMinutes(2), TimeProvider.System);
    private readonly List<Executor> _executors = [];
    private readonly List<string> _directories = [];
    private readonly List<string> _images = [];

    /// <summary>Cancelled when the test takes too long.</summary>
    protected CancellationToken Token => _deadline.Token;

    /// <summary>A busybox that runs a shell script.</summary>
    protected static DockerSpec Shell(string script, params string[] arguments) => new() { Image = "busybox:latest", Cmd = ["/bin/sh", "-c", script, "sh", .. arguments] };

    /// <summary>A job that goes on until it is killed.</summary>
    protected static DockerSpec Hanging() => Shell("echo ready; while :; do sleep 1000 & wait $!; done");

    /// <summary>A request for a spec.</summary>
    protected static ExecutionRequest Request(DockerSpec spec) => new()
    {
        JobId = JobId.Parse("docker-tests"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = spec.ToSpecConfig(),
        Timeouts = new Timeouts { StopGrace = TimeSpan.Zero },
    };

    /// <summary>A script that provisions an execution.</summary>
    protected static ProvisionScript Script(string name, string text) => new() { Name = name, Content = Encoding.UTF8.GetBytes(text) };

    /// <summary>An executor on the Engine of the tests, unless the options name another; removed with everything of its after the test.</summary>
    protected Executor NewExecutor(DockerOptions? options = null, ExecutorOptions? executorOptions = null)
    {
        options ??= new DockerOptions();
        if (options.Endpoint is null) options = options with { Endpoint = TestEngine.Required() };
        executorOptions ??= new ExecutorOptions();
        var executor = DockerExecutor.Create(options, executorOptions with { ExecutorId = executorOptions.ExecutorId ?? $"docker-tests-{Guid.NewGuid():n}" });
        _executors.Add(executor);
        return executor;
    }

    /// <summary>Runs a spec on a new executor.</summary>
    protected Task<ExecutionResult> RunAsync(DockerSpec spec, DockerOptions? options = null) => RunAsync(Request(spec), options);

    /// <summary>Runs a request on a new executor.</summary>
    protected Task<ExecutionResult> RunAsync(ExecutionRequest request, DockerOptions? options = null) => NewExecutor(options).RunAsync(request, Token);

    /// <summary>Expects the start of a spec to be refused.</summary>
    protected Task<ExecutorException> RefusalAsync(ErrorCode code, DockerSpec spec, DockerOptions? options = null) => RefusalAsync(code, Request(spec), options);

    /// <summary>Expects the start of a request to be refused.</summary>
    protected async Task<ExecutorException> RefusalAsync(ErrorCode code, ExecutionRequest request, DockerOptions? options = null)
    {
        var executor = NewExecutor(options);
        var error = await Assert.ThrowsAsync<ExecutorException>(() => executor.StartAsync(request, Token));
        Assert.True(error.Code == code, $"Expected {code}, but was {error.Code}: {error.Message}");
        return error;
    }

    /// <summary>Starts a request and looks at its container from the outside.</summary>
    protected async Task<ContainerInspectResponse> StartAndInspectAsync(ExecutionRequest request, DockerOptions? options = null)
    {
        var executor = NewExecutor(options);
        await executor.StartAsync(request, Token);
        using var client = TestEngine.Connect();
        return await client.Containers.InspectContainerAsync(ContainerSpec.NameOf(executor.ExecutorId, request.ExecutionId), Token);
    }

    /// <summary>Creates the container of a request without starting it, and looks at it from the outside.</summary>
    protected async Task<ContainerInspectResponse> PrepareAndInspectAsync(ExecutionRequest request, DockerOptions? options = null)
    {
        await using var driver = new DockerDriver((options ?? new DockerOptions()) with { Endpoint = TestEngine.Required() });
        var executorId = $"docker-tests-{Guid.NewGuid():n}";
        await using var execution = await driver.PrepareAsync(new DriverContext { Request = request, ExecutorId = executorId, WorkDirectory = NewDirectory() }, Token);
        try
        {
            using var client = TestEngine.Connect();
            return await client.Containers.InspectContainerAsync(ContainerSpec.NameOf(executorId, request.ExecutionId), Token);
        }
        finally
        {
            await execution.DestroyAsync(CancellationToken.None);
        }
    }

    /// <summary>Makes an image from busybox with another configuration, as <c>docker commit --change</c> does.</summary>
    protected Task<string> CommitAsync(params string[] changes) => CommitAsync(new CreateContainerParameters { Image = "busybox:latest" }, changes);

    /// <summary>Makes an image from a container.</summary>
    protected async Task<string> CommitAsync(CreateContainerParameters parameters, params string[] changes)
    {
        var tag = $"ergon-tests-{Guid.NewGuid():n}";
        using var client = TestEngine.Connect();
        var container = await client.Containers.CreateContainerAsync(parameters, Token);
        try
        {
            await client.Images.CommitContainerChangesAsync(
                new CommitContainerChangesParameters { ContainerID = container.ID, RepositoryName = tag, Tag = "latest", Changes = [.. changes] }, Token);
            _images.Add($"{tag}:latest");
        }
        finally
        {
            await client.Containers.RemoveContainerAsync(container.ID, new ContainerRemoveParameters { Force = true }, CancellationToken.None);
        }

        return $"{tag}:latest";
    }

    /// <summary>Deletes an image after the test.</summary>
    protected string TrackImage(string image)
    {
        _images.Add(image);
        return image;
    }

    /// <summary>A new directory that is deleted after the test.</summary>
    protected string NewDirectory()
    {
        var directory = Directory.CreateTempSubdirectory("docker-tests-").FullName;
        _directories.Add(directory);
        return directory;
    }

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        List<string> leftovers = [];
        foreach (var executor in _executors) leftovers.AddRange(await CloseAsync(executor));
        if (_images.Count > 0) await DeleteImagesAsync();
        foreach (var directory in _directories) Directory.Delete(directory, recursive: true);
        _deadline.Dispose();
        leftovers.Should().BeEmpty();
    }

    // An executor that the test has disposed, or the Engine of which is gone, has been looked after there.
    private static async Task<IEnumerable<string>> CloseAsync(Executor executor)
    {
        try
        {
            await executor.CleanupAsync(CancellationToken.None);
        }
        catch (ExecutorException e) when (e.Code is ErrorCode.ExecutorClosed or ErrorCode.BackendUnavailable)
        {
            return [];
        }
        finally
        {
            await executor.DisposeAsync();
        }

        return TestEngine.Endpoint is null ? [] : (await TestEngine.ContainersOfAsync(executor.ExecutorId)).Select(c => $"{c.ID} ({c.State})");
    }

    private async Task DeleteImagesAsync()
    {
        using var client = TestEngine.Connect();
        foreach (var image in _images)
        {
            try
            {
                await client.Images.DeleteImageAsync(image, new ImageDeleteParameters { Force = true }, CancellationToken.None);
            }
            catch (DockerApiException e) when (e.StatusCode == System.Net.HttpStatusCode.NotFound)
            {
                // The test did not come so far.
            }
        }
    }
}
