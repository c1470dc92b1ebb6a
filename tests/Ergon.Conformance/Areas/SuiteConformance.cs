namespace Ergon.Conformance;

/// <summary>The suite itself.</summary>
public abstract class SuiteConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public void Every_area_of_the_suite_is_run()
    {
        var areas = typeof(SuiteConformance).Assembly.GetTypes().Where(t => t.IsAbstract && t.IsSubclassOf(typeof(ConformanceTests)));
        var run = GetType().Assembly.GetTypes().Where(t => !t.IsAbstract).ToList();
        areas.Where(area => !run.Exists(t => t.IsSubclassOf(area))).Select(area => area.Name).Should().BeEmpty();
    }

    [Fact]
    public async Task The_fingerprint_names_the_executor_and_its_version()
    {
        var fingerprint = await Executor.FingerprintAsync(Token);
        fingerprint.Executor.Should().Be(Executor.Name);
        fingerprint.Available.Should().BeTrue();
        fingerprint.Version.Should().NotBeNullOrEmpty();
        fingerprint.Problems.Should().OnlyContain(p => p.Problem.Length > 0 && p.Remedy.Length > 0);
        Fixture.Spec(new TestJob()).Type.Should().Be(Executor.Name);
    }
}
