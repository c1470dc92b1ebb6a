using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Docker.DotNet.Models;
using Ergon.Docker.Tests.Registries;
using Ergon.Images.Tests.Registries;

[assembly: AssemblyFixture(typeof(LocalRegistry))]

namespace Ergon.Docker.Tests.Registries;

/// <summary>A real registry (Debian's docker-registry) on loopback, that asks for a login.</summary>
public sealed class LocalRegistry : IAsyncLifetime
{
    public const string User = RegistryProgram.User;
    public const string Password = RegistryProgram.Password;

    private RegistryProgram? _program;

    /// <summary>Host and port: the registry's part of an image reference.</summary>
    public string Name => _program?.Name ?? "";

    /// <summary>A login that works.</summary>
    public static RegistryCredential Credential => new() { Username = User, Password = Password };

    public async ValueTask InitializeAsync()
    {
        if (TestEngine.Endpoint is not null && RegistryProgram.IsInstalled) _program = await RegistryProgram.StartAsync(withLogin: true);
    }

    public ValueTask DisposeAsync() => _program?.DisposeAsync() ?? ValueTask.CompletedTask;

    /// <summary>Skips the test when there is no Engine or no registry program.</summary>
    public void Required()
    {
        TestEngine.Required();
        Assert.SkipWhen(_program is null, RegistryProgram.Missing);
    }

    /// <summary>Puts an image of the Engine into the registry under another name, and returns the whole reference. The Engine forgets it.</summary>
    public async Task<string> PushAsync(string image, string repository, CancellationToken cancellationToken, string tag = "latest")
    {
        using var client = TestEngine.Connect();
        var name = $"{Name}/{repository}";
        await client.Images.TagImageAsync(image, new ImageTagParameters { RepositoryName = name, Tag = tag }, cancellationToken);
        string? error = null;
        var auth = new AuthConfig { Username = User, Password = Password, ServerAddress = Name };
        await client.Images.PushImageAsync(name, new ImagePushParameters { Tag = tag }, auth, new SynchronousProgress<JSONMessage>(m => error ??= m.Error?.Message), cancellationToken);
        Assert.Null(error);
        await client.Images.DeleteImageAsync($"{name}:{tag}", new ImageDeleteParameters { Force = true }, cancellationToken);
        return $"{name}:{tag}";
    }

    /// <summary>The digest of a tag.</summary>
    public async Task<string> DigestAsync(string repository, CancellationToken cancellationToken, string tag = "latest")
    {
        using var http = NewHttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Head, $"/v2/{repository}/manifests/{tag}");
        request.Headers.Accept.ParseAdd("application/vnd.docker.distribution.manifest.v2+json");
        using var answer = await http.SendAsync(request, cancellationToken);
        answer.EnsureSuccessStatusCode();
        return answer.Headers.GetValues("Docker-Content-Digest").Single();
    }

    /// <summary>Adds a tag that lists the image of another tag for one platform only.</summary>
    public async Task<string> PutListAsync(string repository, string tag, string architecture, CancellationToken cancellationToken)
    {
        const string listType = "application/vnd.docker.distribution.manifest.list.v2+json";
        const string imageType = "application/vnd.docker.distribution.manifest.v2+json";
        using var http = NewHttpClient();
        var digest = await DigestAsync(repository, cancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v2/{repository}/manifests/{digest}");
        request.Headers.Accept.ParseAdd(imageType);
        using var manifest = await http.SendAsync(request, cancellationToken);
        var size = (await manifest.Content.ReadAsByteArrayAsync(cancellationToken)).Length;
        var list = $$$"""
            {"schemaVersion":2,"mediaType":"{{{listType}}}","manifests":[
              {"mediaType":"{{{imageType}}}","digest":{{{JsonSerializer.Serialize(digest)}}},"size":{{{size}}},"platform":{"os":"linux","architecture":"{{{architecture}}}"}}]}
            """;
        using var content = new StringContent(list, Encoding.UTF8, new MediaTypeHeaderValue(listType));
        using var put = await http.PutAsync($"/v2/{repository}/manifests/{tag}", content, cancellationToken);
        put.EnsureSuccessStatusCode();
        return $"{Name}/{repository}:{tag}";
    }

    /// <summary>How often a manifest of the repository was asked for.</summary>
    public int CountManifestRequests(string repository) => _program!.CountRequests($"/v2/{repository}/manifests/", "\"HEAD ");

    private HttpClient NewHttpClient() => _program!.NewHttpClient();
}
