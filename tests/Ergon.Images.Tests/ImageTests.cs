using Ergon.Images.Store;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ergon.Images.Tests;

/// <summary>What tests of images share: a directory, a store in it, and errors.</summary>
public abstract class ImageTests : IAsyncLifetime
{
    private readonly List<ImageStore> _stores = [];

    protected string Scratch { get; } = System.IO.Directory.CreateTempSubdirectory("ergon-images-test-").FullName;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public virtual async ValueTask DisposeAsync()
    {
        foreach (var store in _stores) await store.DisposeAsync();
        System.IO.Directory.Delete(Scratch, recursive: true);
        GC.SuppressFinalize(this);
    }

    private protected ImageStoreOptions Options => new() { Directory = Path.Combine(Scratch, "store"), DockerHost = new Uri($"unix://{Scratch}/no-engine.sock"), ConfigDirectory = Path.Combine(Scratch, "no-config") };

    private protected ImageStore NewStore(ImageStoreOptions? options = null)
    {
        var store = new ImageStore(options ?? Options, NullLogger.Instance, TimeProvider.System);
        _stores.Add(store);
        return store;
    }

    private protected async Task<ImageLease> GetAsync(string image, PullPolicy policy = PullPolicy.Missing, string? platform = null, ImageStore? store = null) =>
        await (store ?? NewStore()).GetAsync(image, policy, platform, static _ => { }, Token);

    private protected async Task<ExecutorException> RefusalAsync(string image, PullPolicy policy = PullPolicy.Missing, string? platform = null, ImageStore? store = null)
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(async () => (await GetAsync(image, policy, platform, store)).Dispose());
        error.Code.Should().Be(ErrorCode.ImageUnavailable, error.Message);
        return error;
    }

    /// <summary>The merged content of layers, through an archive and back from the block image.</summary>
    private protected async Task<BlockImage> MergeAsync(params Layer[] layers)
    {
        var path = new TestImage(layers).SaveTo(Path.Combine(Scratch, $"{Guid.NewGuid():n}.tar"));
        using var lease = await GetAsync("docker-archive:" + path);
        return await BlockImage.ReadAsync(lease.Path);
    }

    private protected async Task<ExecutorException> MergeRefusalAsync(params Layer[] layers)
    {
        var path = new TestImage(layers).SaveTo(Path.Combine(Scratch, $"{Guid.NewGuid():n}.tar"));
        var error = await RefusalAsync("docker-archive:" + path);
        System.IO.Directory.GetFiles(Scratch, "*.squashfs", SearchOption.AllDirectories).Should().BeEmpty();
        System.IO.Directory.GetFiles(Path.Combine(Scratch, "store", "tmp"), "*", SearchOption.AllDirectories).Should().BeEmpty();
        return error;
    }
}
