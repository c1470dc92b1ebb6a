using Deque.AxeCore.Playwright;
using Ergon.Process;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace Ergon.Daemon.Page.Tests;

/// <summary>The operator's page in a real browser, before a real daemon that runs real jobs.</summary>
public sealed class PageTests(PageFixture fixture)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_execution_appears_when_it_starts_and_shows_its_output_while_it_runs()
    {
        var page = await fixture.OpenAsync(PageFixture.Operator);
        var request = await StartAsync("echo first; echo problem >&2; while ! test -e /tmp/go; do sleep 0.05; done");
        var link = page.GetByRole(AriaRole.Link, new() { Name = request.ExecutionId.Value });
        await Expect(link).ToBeVisibleAsync();
        await link.ClickAsync();
        await Expect(page.Locator("#output .stdout")).ToHaveTextAsync("first\n");
        await Expect(page.Locator("#output .stderr")).ToHaveTextAsync("problem\n");
        await Expect(page.Locator("#facts")).ToContainTextAsync("running");
        await Expect(page.Locator("#timeline")).ToContainTextAsync("started");
        await Expect(page.Locator("#memory")).ToContainTextAsync("iB");

        await page.GetByLabel("stderr").UncheckAsync();
        await Expect(page.Locator("#output .stderr")).ToBeHiddenAsync();
        await fixture.Executor.CancelAsync(request.ExecutionId, Token);
        await Expect(page.Locator("#facts")).ToContainTextAsync("cancelled");
        await Expect(page.Locator("#timeline")).ToContainTextAsync("concluded");
    }

    [Fact]
    public async Task An_operator_pauses_resumes_and_cancels()
    {
        var page = await fixture.OpenAsync(PageFixture.Operator);
        var request = await StartAsync("sleep 1000");
        await page.GotoAsync($"/#/{request.ExecutionId}");
        await Button("Pause").ClickAsync();
        await Expect(page.Locator("#facts")).ToContainTextAsync("paused");
        await Expect(Button("Pause")).ToBeDisabledAsync();
        await Button("Resume").ClickAsync();
        await Expect(page.Locator("#facts")).ToContainTextAsync("running");
        await Button("Cancel").ClickAsync();
        await Expect(page.Locator("#facts")).ToContainTextAsync("cancelled");
        (await fixture.Executor.WaitAsync(request.ExecutionId, Token)).Reason.Should().Be(TerminationReason.Cancelled);
        await Expect(Button("Cancel")).ToBeDisabledAsync();

        ILocator Button(string name) => page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });
    }

    [Fact]
    public async Task Who_may_look_only_cannot_act()
    {
        var page = await fixture.OpenAsync(PageFixture.Viewer);
        var request = await StartAsync("sleep 1000");
        await page.GotoAsync($"/#/{request.ExecutionId}");
        await Expect(page.Locator("#facts")).ToContainTextAsync("running");
        foreach (var name in new[] { "Pause", "Resume", "Cancel" })
            await Expect(page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true })).ToBeDisabledAsync();
        await Expect(page.Locator("#scope-note")).ToHaveTextAsync("You may look only.");
        await fixture.Executor.CancelAsync(request.ExecutionId, Token);
    }

    [Fact]
    public async Task Without_a_token_that_is_known_nothing_is_shown()
    {
        var page = await fixture.OpenAsync(null);
        await Expect(page.Locator("#connection")).ToHaveTextAsync("Not signed in");
        await page.GetByLabel("Token").FillAsync("wrong");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("#connection")).ToHaveTextAsync("Not signed in");
        (await page.Locator("#list tbody tr").CountAsync()).Should().Be(0);
    }

    [Fact]
    public async Task A_daemon_that_is_drained_says_so_and_its_executors_health_is_shown()
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        await fixture.Executor.DrainAsync(TimeSpan.Zero, Token);
        try
        {
            var page = await fixture.OpenAsync(PageFixture.Viewer);
            await Expect(page.Locator("#drain")).ToContainTextAsync("New executions are refused since");
            await Expect(page.Locator("#executors li")).ToContainTextAsync("healthy");
        }
        finally
        {
            await fixture.Executor.UndoDrainAsync(Token);
        }
    }

    [Fact]
    public async Task Filters_narrow_the_list()
    {
        var page = await fixture.OpenAsync(PageFixture.Viewer);
        var one = await StartAsync("exit 0", "needle");
        var other = await StartAsync("exit 3", "hay");
        await Expect(Row(page, one)).ToContainTextAsync("success");
        await Expect(Row(page, other)).ToContainTextAsync("exit code 3");
        await page.GetByLabel("Search").FillAsync("needle");
        await Expect(Row(page, other)).ToHaveCountAsync(0);
        await Expect(Row(page, one)).ToBeVisibleAsync();
        await page.GetByLabel("Search").FillAsync("");
        await page.GetByLabel("Status").SelectOptionAsync("failed");
        await Expect(Row(page, one)).ToHaveCountAsync(0);
        await Expect(Row(page, other)).ToBeVisibleAsync();
    }

    [Fact]
    public async Task An_execution_is_opened_from_the_keyboard()
    {
        var request = await StartAsync("echo typed");
        var page = await fixture.OpenAsync(PageFixture.Viewer);
        await page.GetByLabel("Search").FocusAsync();
        await page.Keyboard.TypeAsync(request.ExecutionId.Value);
        await Expect(page.Locator("#list tbody tr")).ToHaveCountAsync(1);
        for (var i = 0; i < 10 && await page.EvaluateAsync<string>("document.activeElement.hash ?? ''") != $"#/{request.ExecutionId}"; i++) await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("#output")).ToHaveTextAsync("typed\n");
    }

    [Theory]
    [InlineData(ColorScheme.Light, 1280)]
    [InlineData(ColorScheme.Dark, 1280)]
    [InlineData(ColorScheme.Light, 380)]
    public async Task Nothing_keeps_anybody_from_using_it(ColorScheme scheme, int width)
    {
        var request = await StartAsync("echo out; echo err >&2; exit 1");
        var page = await fixture.OpenAsync(PageFixture.Operator, scheme, width);
        await page.GotoAsync($"/#/{request.ExecutionId}");
        await Expect(page.Locator("#output .stderr")).ToHaveTextAsync("err\n");
        var found = await page.RunAxe();
        found.Violations.Select(v => $"{v.Id}: {v.Help} {string.Join(' ', v.Nodes.Select(n => n.Html))}").Should().BeEmpty();
        (await page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= innerWidth")).Should().BeTrue("nothing is wider than the window");
    }

    private static ILocator Row(IPage page, ExecutionRequest request) => page.Locator("#list tbody tr", new() { HasText = request.ExecutionId.Value });

    private async Task<ExecutionRequest> StartAsync(string script, string job = "page")
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        var request = new ExecutionRequest
        {
            JobId = JobId.Parse(job),
            ExecutionId = ExecutionId.New(),
            EngineSpec = new ProcessSpec { Cmd = ["sh", "-c", script] }.ToSpecConfig(),
            Timeouts = new Timeouts { StopGrace = TimeSpan.FromSeconds(1) },
        };
        await fixture.Executor.StartAsync(request, Token);
        return request;
    }
}
