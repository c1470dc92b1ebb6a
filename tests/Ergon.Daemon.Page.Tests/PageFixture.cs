using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Ergon.Client;
using Ergon.Daemon.Page.Tests;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(PageFixture))]

namespace Ergon.Daemon.Page.Tests;

/// <summary>A daemon that runs local processes and listens with TLS, and a browser without a window.</summary>
public sealed class PageFixture : IAsyncLifetime
{
    /// <summary>The token of one who may look and act.</summary>
    public const string Operator = "operator-secret";

    /// <summary>The token of one who may look only.</summary>
    public const string Viewer = "viewer-secret";

    private const float Patience = 30_000; // ms

    private static readonly string[] Browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private readonly string _directory = Directory.CreateTempSubdirectory("page-").FullName;
    private ErgonDaemon? _daemon;
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>Why there is no browser; <see langword="null"/>: there is one.</summary>
    public string? SkipReason { get; } = Array.Exists(Browsers, File.Exists) ? null : "There is no Chromium here (Debian: apt-get install chromium).";

    /// <summary>Where the page is.</summary>
    public Uri Address { get; private set; } = new("https://127.0.0.1");

    /// <summary>Starts executions past the page.</summary>
    public RemoteExecutor Executor { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        if (SkipReason is not null) return;
        Assertions.SetDefaultExpectTimeout(Patience);
        Address = new Uri($"https://127.0.0.1:{FreePort()}");
        var socket = Path.Combine(_directory, "ergon.sock");
        _daemon = await ErgonDaemon.StartAsync(new DaemonOptions
        {
            DataDirectory = Path.Combine(_directory, "data"),
            SocketPath = socket,
            Executors = ["process"],
            OnShutdown = DisposeBehavior.Cancel,
            Network = new NetworkListener
            {
                Address = Address,
                Certificate = WriteCertificate(),
                Tokens = [TokenOf("operator", Operator, "read", "run"), TokenOf("viewer", Viewer, "read")],
            },
        });
        Executor = new RemoteExecutor(new RemoteExecutorOptions { Address = DaemonAddress.OfSocket(socket), Executor = "process" });
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = Browsers.First(File.Exists), Args = ["--no-sandbox"] });
    }

    /// <summary>Opens the page as a new visitor.</summary>
    public async Task<IPage> OpenAsync(string? token, ColorScheme scheme = ColorScheme.Light, int width = 1280)
    {
        Assert.SkipWhen(SkipReason is not null, SkipReason ?? "");
        var context = await _browser!.NewContextAsync(new()
        {
            IgnoreHTTPSErrors = true, ColorScheme = scheme, ViewportSize = new() { Width = width, Height = 800 }, BaseURL = Address.ToString(),
        });
        var page = await context.NewPageAsync();
        await page.GotoAsync("/");
        if (token is null) return page;
        await page.GetByLabel("Token").FillAsync(token);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Assertions.Expect(page.Locator("#connection")).ToHaveTextAsync("Live");
        return page;
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null) await _browser.DisposeAsync();
        _playwright?.Dispose();
        if (Executor is not null) await Executor.DisposeAsync();
        if (_daemon is not null) await _daemon.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private string WriteCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=ergon", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        var file = Path.Combine(_directory, "certificate.pem");
        File.WriteAllText(file, $"{certificate.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        return file;
    }

    private static DaemonToken TokenOf(string name, string token, params string[] scopes) =>
        new() { Name = name, Sha256 = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token))), Scopes = scopes };

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
