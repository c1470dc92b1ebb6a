using Ergon.Images;

namespace Ergon.Docker.Tests.Registries;

/// <summary>Pulls of one image at the same time.</summary>
public sealed class SharedPullTests(LocalRegistry registry) : DockerTests
{
    [Fact]
    public async Task Pulls_of_one_image_at_the_same_time_are_one_pull()
    {
        var (gate, reference, puller) = await BeginAsync("shared/one");
        await using var _ = gate;
        List<PrepareProgress>[] progress = [[], [], []];
        var pulls = progress.Select(p => puller.PullAsync(reference, null, p.Add, Token)).ToList();
        await gate.Knocked.WaitAsync(Token);
        gate.Open();
        await Task.WhenAll(pulls);
        registry.CountManifestRequests("shared/one").Should().Be(await CountOfOnePullAsync());
        progress.Should().OnlyContain(p => p.Exists(x => x.Status != null && x.Status.Contains("Digest")));
    }

    [Fact]
    public async Task Giving_up_one_of_two_does_not_disturb_the_other()
    {
        var (gate, reference, puller) = await BeginAsync("shared/two");
        await using var _ = gate;
        using var impatient = new CancellationTokenSource();
        var first = puller.PullAsync(reference, null, _ => { }, impatient.Token);
        var second = puller.PullAsync(reference, null, _ => { }, Token);
        await gate.Knocked.WaitAsync(Token);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        second.IsCompleted.Should().BeFalse();
        gate.Open();
        await second;
        using var client = TestEngine.Connect();
        (await client.Images.InspectImageAsync(reference.ToString(), Token)).ID.Should().NotBeEmpty();
    }

    [Fact]
    public async Task The_last_to_give_up_ends_the_pull_and_the_next_begins_another()
    {
        var (gate, reference, puller) = await BeginAsync("shared/last");
        await using var _ = gate;
        using var impatient = new CancellationTokenSource();
        var pulls = Enumerable.Range(0, 2).Select(_ => puller.PullAsync(reference, null, _ => { }, impatient.Token)).ToList();
        await gate.Knocked.WaitAsync(Token);
        await impatient.CancelAsync();
        foreach (var pull in pulls) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull);
        await gate.Left.WaitAsync(Token);
        gate.Open();
        await puller.PullAsync(reference, null, _ => { }, Token);
    }

    [Fact]
    public async Task Executions_that_need_one_image_share_its_pull()
    {
        registry.Required();
        var image = TrackImage(await registry.PushAsync("busybox:latest", "shared/executions", Token));
        var options = new DockerOptions { RegistryCredentials = new Dictionary<string, RegistryCredential> { [registry.Name] = LocalRegistry.Credential } };
        var executor = NewExecutor(options);
        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => executor.RunAsync(Request(Shell($"exit {i}") with { Image = image }), Token)));
        results.Select(r => r.ExitCode).Should().Equal(Enumerable.Range(0, 8));
        registry.CountManifestRequests("shared/executions").Should().BeLessThan(8 * await CountOfOnePullAsync());
    }

    private async Task<(Gate Gate, ImageReference Reference, ImagePuller Puller)> BeginAsync(string repository)
    {
        registry.Required();
        await registry.PushAsync("busybox:latest", repository, Token);
        var gate = new Gate(registry.Name);
        var options = new DockerOptions
        {
            Endpoint = TestEngine.Required(),
            RegistryCredentials = new Dictionary<string, RegistryCredential> { [gate.Name] = LocalRegistry.Credential },
        };
        var puller = new ImagePuller(new EngineConnection(options, TimeProvider.System), new RegistryCredentialStore(options.RegistryCredentials, options.ConfigDirectory));
        return (gate, ImageReference.Parse(TrackImage($"{gate.Name}/{repository}:latest")), puller);
    }

    private async Task<int> CountOfOnePullAsync()
    {
        var image = TrackImage(await registry.PushAsync("busybox:latest", "shared/measure", Token));
        var options = new DockerOptions { RegistryCredentials = new Dictionary<string, RegistryCredential> { [registry.Name] = LocalRegistry.Credential } };
        var before = registry.CountManifestRequests("shared/measure");
        (await RunAsync(Shell("true") with { Image = image, PullPolicy = PullPolicy.Always }, options)).ExitCode.Should().Be(0);
        var count = registry.CountManifestRequests("shared/measure") - before;
        count.Should().BePositive();
        return count;
    }
}
