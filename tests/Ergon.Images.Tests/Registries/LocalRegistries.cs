using System.Net.Http.Headers;
using Ergon.Images.Tests.Registries;

[assembly: AssemblyFixture(typeof(LocalRegistries))]

namespace Ergon.Images.Tests.Registries;

/// <summary>A registry that asks for a login and one that does not, for all tests.</summary>
public sealed class LocalRegistries : IAsyncLifetime
{
    private RegistryProgram? _open;
    private RegistryProgram? _guarded;

    /// <summary>The one that asks for no login; the test is skipped when it cannot be had.</summary>
    public RegistryProgram Open => Required(_open);

    /// <summary>The one that asks for a login.</summary>
    public RegistryProgram Guarded => Required(_guarded);

    public async ValueTask InitializeAsync()
    {
        if (!RegistryProgram.IsInstalled) return;
        _open = await RegistryProgram.StartAsync(withLogin: false);
        _guarded = await RegistryProgram.StartAsync(withLogin: true);
    }

    public async ValueTask DisposeAsync()
    {
        if (_open is not null) await _open.DisposeAsync();
        if (_guarded is not null) await _guarded.DisposeAsync();
    }

    private static RegistryProgram Required(RegistryProgram? registry)
    {
        Assert.SkipWhen(registry is null, RegistryProgram.Missing);
        return registry;
    }
}

/// <summary>Pushes what tests make.</summary>
internal static class RegistryPush
{
    /// <summary>Pushes an image under a tag, and returns the whole reference.</summary>
    public static async Task<string> PushAsync(this RegistryProgram registry, TestImage image, string repository, string tag = "latest", AuthenticationHeaderValue? authorization = null)
    {
        using var http = registry.NewHttpClient();
        if (authorization is not null) http.DefaultRequestHeaders.Authorization = authorization;
        await PushBlobsAsync(http, image, repository);
        await PutAsync(http, repository, tag, image.Manifest, "application/vnd.oci.image.manifest.v1+json");
        return $"{registry.Name}/{repository}:{tag}";
    }

    /// <summary>Pushes images under one tag, as an index.</summary>
    public static async Task<string> PushIndexAsync(this RegistryProgram registry, string repository, string tag, params TestImage[] images)
    {
        using var http = registry.NewHttpClient();
        foreach (var image in images)
        {
            await PushBlobsAsync(http, image, repository);
            await PutAsync(http, repository, ContentDigest.Of(image.Manifest), image.Manifest, "application/vnd.oci.image.manifest.v1+json");
        }

        await PutAsync(http, repository, tag, TestImage.Index([.. images.Select(i => i.Descriptor())]), TestImage.IndexType);
        return $"{registry.Name}/{repository}:{tag}";
    }

    /// <summary>The file in which the registry keeps a blob.</summary>
    public static string BlobFile(this RegistryProgram registry, byte[] blob)
    {
        var hex = ContentDigest.Hex(ContentDigest.Of(blob));
        return Path.Combine(registry.Directory, "data/docker/registry/v2/blobs/sha256", hex[..2], hex, "data");
    }

    private static async Task PushBlobsAsync(HttpClient http, TestImage image, string repository)
    {
        foreach (var blob in image.LayerBlobs.Append(image.Configuration))
        {
            using var begun = await http.PostAsync(new Uri($"/v2/{repository}/blobs/uploads/", UriKind.Relative), null);
            begun.EnsureSuccessStatusCode();
            var location = new UriBuilder(new Uri(http.BaseAddress!, begun.Headers.Location!));
            location.Query = $"{location.Query.TrimStart('?')}&digest={Uri.EscapeDataString(ContentDigest.Of(blob))}";
            using var content = new ByteArrayContent(blob);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            using var put = await http.PutAsync(location.Uri, content);
            put.EnsureSuccessStatusCode();
        }
    }

    private static async Task PutAsync(HttpClient http, string repository, string version, byte[] manifest, string type)
    {
        using var content = new ByteArrayContent(manifest);
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        using var put = await http.PutAsync(new Uri($"/v2/{repository}/manifests/{version}", UriKind.Relative), content);
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
    }
}
