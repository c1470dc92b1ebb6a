using Ergon.Conformance;

namespace Ergon.Docker.Tests.Registries;

/// <summary>Pulls from a real registry: policies, platforms, digests, progress, errors.</summary>
public sealed class PullTests(LocalRegistry registry) : DockerTests
{
    private DockerOptions Options => new() { RegistryCredentials = new Dictionary<string, RegistryCredential> { [registry.Name] = LocalRegistry.Credential } };

    [Fact]
    public async Task A_missing_image_is_pulled_with_progress_and_not_again()
    {
        var image = await PushAsync("pull/missing");
        var executor = NewExecutor(Options);
        var request = Request(Shell("echo pulled") with { Image = image });
        await using var events = executor.WatchAsync(new WatchRequest { ExecutionId = request.ExecutionId }, Token).GetAsyncEnumerator(Token);
        (await executor.RunAsync(request, Token)).Stdout.Text.Should().Be("pulled\n");
        var progress = (await events.ReadUntilAsync(ExecutionEventType.Started)).Where(e => e.Type == ExecutionEventType.Progress).Select(e => e.Progress!).ToList();
        progress.Should().OnlyContain(p => p.Step == $"pulling {image}");
        progress.Should().Contain(p => p.Status != null && p.Status.Contains("Digest"));

        var asked = registry.CountManifestRequests("pull/missing");
        asked.Should().BePositive();
        (await executor.RunAsync(Request(Shell("true") with { Image = image }), Token)).ExitCode.Should().Be(0);
        registry.CountManifestRequests("pull/missing").Should().Be(asked);
    }

    [Fact]
    public async Task Always_pulls_what_has_changed_and_missing_does_not()
    {
        var image = await PushAsync("pull/changing");
        var spec = new DockerSpec { Image = image, Cmd = ["sh", "-c", "echo version $VERSION"] };
        (await RunAsync(spec, Options)).Stdout.Text.Should().Be("version\n");
        var changed = await CommitAsync("ENV VERSION=2");
        using (var client = TestEngine.Connect())
        {
            // Pushed under a second name of the same registry, so that the Engine keeps what it has under the first.
            await client.Images.TagImageAsync(image, new() { RepositoryName = "ergon-tests-kept", Tag = "latest" }, Token);
            TrackImage("ergon-tests-kept:latest");
        }

        await registry.PushAsync(changed, "pull/changing", Token);
        using (var client = TestEngine.Connect()) await client.Images.TagImageAsync("ergon-tests-kept:latest", new() { RepositoryName = $"{registry.Name}/pull/changing", Tag = "latest" }, Token);
        (await RunAsync(spec, Options)).Stdout.Text.Should().Be("version\n");
        (await RunAsync(spec with { PullPolicy = PullPolicy.Always }, Options)).Stdout.Text.Should().Be("version 2\n");
    }

    [Fact]
    public async Task Never_runs_what_is_there_and_refuses_what_is_not()
    {
        var image = await PushAsync("pull/never");
        var spec = Shell("true") with { Image = image, PullPolicy = PullPolicy.Never };
        (await RefusalAsync(ErrorCode.ImageUnavailable, spec, Options)).Message.Should().Contain(image).And.Contain("'never'");
        registry.CountManifestRequests("pull/never").Should().Be(0);
        (await RunAsync(Shell("true") with { PullPolicy = PullPolicy.Never }, Options)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task A_digest_names_exactly_one_image()
    {
        await PushAsync("pull/digest");
        var reference = $"{registry.Name}/pull/digest@{await registry.DigestAsync("pull/digest", Token)}";
        (await RunAsync(Shell("echo by digest") with { Image = TrackImage(reference) }, Options)).Stdout.Text.Should().Be("by digest\n");
        var both = reference.Replace("@", ":some-tag@", StringComparison.Ordinal);
        (await RunAsync(Shell("echo by digest") with { Image = both }, Options)).Stdout.Text.Should().Be("by digest\n");

        var other = $"{registry.Name}/pull/digest@sha256:{new string('0', 64)}";
        (await RefusalAsync(ErrorCode.ImageUnavailable, Shell("true") with { Image = other }, Options)).Message.Should().Contain("does not have it");
    }

    [Fact]
    public async Task A_platform_that_the_image_does_not_have_is_refused()
    {
        await PushAsync("pull/platform");
        var image = TrackImage(await registry.PutListAsync("pull/platform", "arm-only", "arm64", Token));
        var missing = await RefusalAsync(ErrorCode.ImageUnavailable, Shell("true") with { Image = image }, Options);
        missing.Message.Should().Contain("no variant for the Engine's platform");
        var other = await RefusalAsync(ErrorCode.ImageUnavailable, Shell("true") with { Image = image, Platform = "linux/s390x" }, Options);
        other.Message.Should().Contain("no variant for linux/s390x").And.Contain("engine_spec.params.platform");
    }

    [Fact]
    public async Task A_platform_that_the_image_has_is_pulled()
    {
        await PushAsync("pull/platform-there");
        var architecture = System.Runtime.InteropServices.RuntimeInformation.OSArchitecture == System.Runtime.InteropServices.Architecture.Arm64 ? "arm64" : "amd64";
        var image = TrackImage(await registry.PutListAsync("pull/platform-there", "listed", architecture, Token));
        (await RunAsync(Shell("echo there") with { Image = image, Platform = $"linux/{architecture}" }, Options)).Stdout.Text.Should().Be("there\n");
    }

    [Fact]
    public async Task An_image_that_is_there_for_another_platform_only_is_pulled_for_the_one_asked_for()
    {
        await PushAsync("pull/platform-other");
        var image = TrackImage(await registry.PutListAsync("pull/platform-other", "arm-only", "arm64", Token));
        using (var client = TestEngine.Connect()) await client.Images.TagImageAsync("busybox:latest", new() { RepositoryName = $"{registry.Name}/pull/platform-other", Tag = "arm-only" }, Token);
        var spec = Shell("true") with { Image = image, Platform = "linux/s390x" };
        (await RefusalAsync(ErrorCode.ImageUnavailable, spec with { PullPolicy = PullPolicy.Never }, Options)).Message.Should().Contain("not on the Engine for linux/s390x");

        var asked = registry.CountManifestRequests("pull/platform-other");
        (await RefusalAsync(ErrorCode.ImageUnavailable, spec, Options)).Message.Should().Contain("no variant for linux/s390x");
        registry.CountManifestRequests("pull/platform-other").Should().BeGreaterThan(asked);
    }

    [Fact]
    public async Task An_image_that_does_not_exist_is_refused()
    {
        await PushAsync("pull/exists");
        var tag = await RefusalAsync(ErrorCode.ImageUnavailable, Shell("true") with { Image = $"{registry.Name}/pull/exists:no-such-tag" }, Options);
        tag.Message.Should().Contain("no-such-tag").And.Contain("does not have it");
        var repository = await RefusalAsync(ErrorCode.ImageUnavailable, Shell("true") with { Image = $"{registry.Name}/no/such/repository" }, Options);
        repository.Message.Should().Contain("does not have it");
    }

    [Fact]
    public async Task A_registry_that_cannot_be_reached_is_named()
    {
        TestEngine.Required();
        var error = await RefusalAsync(ErrorCode.ImageUnavailable, Shell("true") with { Image = "127.0.0.1:1/nobody/listens" });
        error.Message.Should().Contain("127.0.0.1:1").And.Contain("cannot be reached");
    }

    [Fact]
    public async Task A_start_whose_pull_failed_leaves_its_id_free()
    {
        TestEngine.Required();
        var executor = NewExecutor();
        var request = Request(Shell("true") with { Image = "127.0.0.1:1/nobody/listens" });
        await Assert.ThrowsAsync<ExecutorException>(() => executor.StartAsync(request, Token));
        (await executor.ListAsync(null, Token)).Should().BeEmpty();
        (await executor.RunAsync(Request(Shell("true")) with { ExecutionId = request.ExecutionId }, Token)).ExitCode.Should().Be(0);
    }

    private async Task<string> PushAsync(string repository)
    {
        registry.Required();
        return TrackImage(await registry.PushAsync("busybox:latest", repository, Token));
    }
}
