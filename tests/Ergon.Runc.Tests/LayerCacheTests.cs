using Ergon.Conformance;
using Ergon.Runc.Tests.Conformance;
using static Ergon.Runc.Tests.TestImages;

namespace Ergon.Runc.Tests;

/// <summary>Layers are shared, kept to a size, and never removed under a container.</summary>
public sealed class LayerCacheTests(RuncFixture fixture) : RuncTests(fixture)
{
    // Room for busybox and one of the layers above it.
    private const int LayerBytes = 2_000_000;

    private protected override RuncOptions Options => Fixture.Options with { CacheDirectory = Path.Combine(Scratch, "cache"), CacheBytes = new FileInfo("/bin/busybox").Length + (3 * LayerBytes / 2) + 2_000_000 };

    private string[] Layers => [.. Directory.GetFiles(Path.Combine(Scratch, "cache", "images", "layers"), "*.json").Order()];

    [Fact]
    public async Task The_image_that_was_not_used_for_the_longest_time_goes_and_what_others_share_with_it_stays()
    {
        var (first, second) = (Image(Large("first")), Image(Large("second")));
        await RunOnAsync(first);
        var before = Layers;
        before.Should().HaveCount(2);
        await RunOnAsync(second);
        Layers.Should().HaveCount(2);
        Layers.Intersect(before).Should().ContainSingle("busybox is in both");
        await RunOnAsync(first);
        Layers.Should().Equal(before);
    }

    [Fact]
    public async Task The_layers_of_a_running_container_stay()
    {
        var (first, second) = (Image(Large("first")), Image(Large("second")));
        var request = Request("echo ready; while [ ! -e /go ]; do sleep 0.05; done; wc -c < /first", s => s with { Image = first });
        await Executor.StartAsync(request, Token);
        await Executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        await RunOnAsync(second);
        Layers.Should().HaveCount(3);
        await using (var session = await Executor.ExecAsync(request.ExecutionId, new ExecRequest { Command = ["touch", "/go"] }, Token)) (await session.WaitAsync(Token)).Should().Be(0);
        (await Executor.WaitAsync(request.ExecutionId, Token)).Stdout.Text.Should().Be($"ready\n{LayerBytes}\n");
    }

    private Task<string> RunOnAsync(string image) => OutputAsync("true", s => s with { Image = image });

    private static byte[] Large(string name) => Layer(FileEntry(name, System.Security.Cryptography.RandomNumberGenerator.GetBytes(LayerBytes), 0x1A4));
}
