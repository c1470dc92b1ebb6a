using System.Text;
using Ergon.Images.Store;

namespace Ergon.Images.Tests.Registries;

/// <summary>Images of real registries.</summary>
public sealed class PullTests(LocalRegistries registries) : ImageTests
{
    private static readonly IReadOnlyDictionary<string, RegistryCredential> Nobody = new Dictionary<string, RegistryCredential>();

    private static TestImage Sample => new(new Layer().File("a", Guid.NewGuid().ToString()).Gzip(), new Layer().File("b", "from b").Zstd())
    {
        Run = new() { ["Entrypoint"] = new System.Text.Json.Nodes.JsonArray("/bin/a"), ["Env"] = new System.Text.Json.Nodes.JsonArray("A=1"), ["WorkingDir"] = "/w", ["User"] = "1:2" },
    };

    [Fact]
    public async Task An_image_is_pulled_with_progress_and_not_again()
    {
        var (registry, image, store) = (registries.Open, Sample, NewStore());
        var reference = await registry.PushAsync(image, "pull/sample");
        List<PrepareProgress> progress = [];
        using (var lease = await store.GetAsync(reference, PullPolicy.Missing, null, p => { lock (progress) progress.Add(p); }, Token))
        {
            lease.Digest.Should().Be(image.Digest);
            lease.Config.Should().BeEquivalentTo(new { Entrypoint = new[] { "/bin/a" }, Env = new[] { "A=1" }, WorkingDir = "/w", User = "1:2" });
            var content = await BlockImage.ReadAsync(lease.Path);
            content.Names.Should().Equal("a", "b");
            content.Text("b").Should().Be("from b");
        }

        progress.Should().Contain(p => p.Step == $"pulling {reference}" && p.Item != null && p.Status == "Download complete");
        var asked = registry.CountRequests("/v2/pull/sample/");
        (await GetAsync(reference, store: store)).Dispose();
        (await GetAsync(reference, PullPolicy.Never, store: NewStore())).Dispose();
        registry.CountRequests("/v2/pull/sample/").Should().Be(asked, "what was pulled is remembered, also by the next process");
    }

    [Fact]
    public async Task Always_sees_that_a_tag_has_moved_and_missing_does_not()
    {
        var (registry, first, second, store) = (registries.Open, Sample, Sample, NewStore());
        var reference = await registry.PushAsync(first, "pull/moving");
        (await DigestAsync(PullPolicy.Missing)).Should().Be(first.Digest);
        await registry.PushAsync(second, "pull/moving");
        (await DigestAsync(PullPolicy.Missing)).Should().Be(first.Digest);
        (await DigestAsync(PullPolicy.Always)).Should().Be(second.Digest);
        (await DigestAsync(PullPolicy.Never)).Should().Be(second.Digest);

        async Task<string> DigestAsync(PullPolicy policy)
        {
            using var lease = await GetAsync("docker://" + reference, policy, store: store);
            return lease.Digest;
        }
    }

    [Fact]
    public async Task A_digest_names_the_manifest()
    {
        var (registry, image) = (registries.Open, Sample);
        await registry.PushAsync(image, "pull/digest");
        using var lease = await GetAsync($"{registry.Name}/pull/digest@{ContentDigest.Of(image.Manifest)}");
        lease.Digest.Should().Be(image.Digest);
        (await RefusalAsync($"{registry.Name}/pull/digest@{ContentDigest.Of("something else"u8)}")).Message.Should().Contain("does not have it");
    }

    [Fact]
    public async Task The_platform_chooses_from_an_index()
    {
        var (registry, store) = (registries.Open, NewStore());
        TestImage Of(string architecture, string? variant = null) => new(new Layer().File("which", architecture + variant)) { Architecture = architecture, Variant = variant };
        var reference = await registry.PushIndexAsync("pull/index", "latest", Of("s390x"), Of("arm", "v6"), Of("arm", "v7"), Of("arm64", "v8"), Of("amd64"), Of("amd64", "v3"));
        (await WhichAsync("linux/s390x")).Should().Be("s390x");
        (await WhichAsync("linux/arm/v6")).Should().Be("armv6");
        (await WhichAsync("linux/arm")).Should().Be("armv7");
        (await WhichAsync("linux/arm/v8")).Should().Be("armv7");
        (await WhichAsync("linux/aarch64")).Should().Be("arm64v8");
        (await WhichAsync("linux/amd64")).Should().Be("amd64");
        (await WhichAsync("linux/amd64/v2")).Should().Be("amd64");
        (await WhichAsync("linux/amd64/v4")).Should().Be("amd64v3");
        (await WhichAsync(null)).Should().StartWith(Platform.Host.Architecture);
        var error = await RefusalAsync(reference, platform: "linux/riscv64", store: store);
        error.Message.Should().Contain("no variant for linux/riscv64, but for linux/s390x, linux/arm/v6");
        (await RefusalAsync(reference, platform: "Linux AMD64", store: store)).Message.Should().Contain("is not a platform");

        async Task<string> WhichAsync(string? platform)
        {
            using var lease = await GetAsync(reference, platform: platform, store: store);
            return (await BlockImage.ReadAsync(lease.Path)).Text("which");
        }
    }

    [Fact]
    public async Task An_image_for_another_machine_is_refused_also_without_an_index()
    {
        var reference = await registries.Open.PushAsync(new TestImage(new Layer().File("a")) { Architecture = "s390x" }, "pull/foreign");
        (await RefusalAsync(reference)).Message.Should().Contain($"no variant for {Platform.Host}, but for linux/s390x");
    }

    [Fact]
    public async Task What_is_not_there_is_said_to_be_not_there()
    {
        var reference = await registries.Open.PushAsync(Sample, "pull/there");
        (await RefusalAsync(reference + "-not")).Message.Should().Contain("does not have it").And.Contain("Check name and tag");
        (await RefusalAsync($"{registries.Open.Name}/pull/nowhere")).Message.Should().Contain("does not have it");
        (await RefusalAsync(reference, PullPolicy.Never)).Message.Should().Contain("pull policy is 'never'");
        (await RefusalAsync("127.0.0.1:1/a")).Message.Should().Contain("cannot be reached");
        (await RefusalAsync("Not An Image")).Message.Should().Contain("is not an image reference");
    }

    [Fact]
    public async Task A_login_is_asked_for_and_a_wrong_one_is_refused()
    {
        var (registry, image) = (registries.Guarded, Sample);
        var reference = await registry.PushAsync(image, "pull/guarded");
        (await RefusalAsync(reference)).Message.Should().Contain("asks for a login").And.Contain($"docker login {registry.Name}");
        var wrong = await RefusalAsync(reference, store: StoreFor(new RegistryCredential { Username = RegistryProgram.User, Password = "not-the-password" }));
        wrong.ToString().Should().Contain($"refuses the login of '{RegistryProgram.User}'").And.NotContain("not-the-password");
        using var lease = await GetAsync(reference, store: StoreFor(new RegistryCredential { Username = RegistryProgram.User, Password = RegistryProgram.Password }));
        lease.Digest.Should().Be(image.Digest);

        ImageStore StoreFor(RegistryCredential credential) => NewStore(Options with { Credentials = new Dictionary<string, RegistryCredential> { [registry.Name] = credential } });
    }

    [Fact]
    public async Task The_docker_clients_file_logs_in()
    {
        var reference = await registries.Guarded.PushAsync(Sample, "pull/file");
        var directory = System.IO.Directory.CreateDirectory(Path.Combine(Scratch, "docker")).FullName;
        var encoded = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{RegistryProgram.User}:{RegistryProgram.Password}"));
        await File.WriteAllTextAsync(Path.Combine(directory, "config.json"), $$$"""{"auths":{"{{{registries.Guarded.Name}}}":{"auth":"{{{encoded}}}"} } }""", Token);
        using var lease = await GetAsync(reference, store: NewStore(Options with { Credentials = Nobody, ConfigDirectory = directory }));
        lease.Path.Should().EndWith(".squashfs");
    }

    [Fact]
    public async Task A_blob_that_is_damaged_in_the_registry_is_refused_and_leaves_nothing()
    {
        var (registry, image, store) = (registries.Open, Sample, NewStore());
        var reference = await registry.PushAsync(image, "pull/damaged");
        var file = registry.BlobFile(image.LayerBlobs[0]);
        var bytes = await File.ReadAllBytesAsync(file, Token);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(file, bytes, Token);
        (await RefusalAsync(reference, store: store)).Message.Should().Contain("is damaged there, or on the way");
        System.IO.Directory.GetFiles(Path.Combine(Options.Directory, "tmp"), "*", SearchOption.AllDirectories).Should().BeEmpty();
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(file, bytes, Token);
        (await GetAsync(reference, store: store)).Dispose();
    }

    [Fact]
    public async Task A_layer_that_two_images_share_is_fetched_once()
    {
        var (registry, store, shared) = (registries.Open, NewStore(), new Layer().File("shared", Guid.NewGuid().ToString()).Gzip());
        var references = new List<string>();
        for (var i = 0; i < 4; i++) references.Add(await registry.PushAsync(new TestImage(shared, new Layer().File($"own{i}", "x")), $"pull/sharing{i}"));
        var leases = await Task.WhenAll(references.Select(r => GetAsync(r, store: store)));
        leases.Select(l => l.Digest).Distinct().Should().HaveCount(4);
        foreach (var lease in leases) lease.Dispose();
        registry.CountRequests("/pull/sharing", ContentDigest.Of(shared.Blob()), "\"GET ").Should().Be(1);
    }
}
