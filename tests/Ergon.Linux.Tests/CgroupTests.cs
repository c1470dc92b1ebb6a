namespace Ergon.Linux.Tests;

/// <summary>Real cgroups, where this machine lets us make them.</summary>
public sealed class CgroupTests : IDisposable
{
    private const string Executor = "linux-tests";

    private readonly KernelEvents _events = new();
    private readonly CgroupFactory _factory = CgroupFactory.Detect(CgroupHierarchies.ReadOwn());

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _factory.RemoveExecutor(Executor);
        _events.Dispose();
    }

    [Fact]
    public async Task A_cgroup_is_made_with_its_limits_and_removed_without_a_trace()
    {
        SkipWithoutCgroups();
        var name = NewName();
        var cgroup = _factory.Create(Executor, name, new CgroupLimits(_factory.Abilities.Memory ? 64 << 20 : null, null, _factory.Abilities.Pids ? 10 : null));
        _factory.List(Executor).Should().Contain(name);
        cgroup.ProcessIds().Should().BeEmpty();
        cgroup.RanOutOfMemory().Should().BeFalse();
        cgroup.ReadUsage().CpuTime.Should().NotBeNull();
        await cgroup.RemoveAsync(_events, Token);
        _factory.List(Executor).Should().NotContain(name);
        await cgroup.RemoveAsync(_events, Token);
    }

    [Fact]
    public async Task Removing_a_cgroup_kills_what_is_in_it_even_when_it_is_frozen()
    {
        SkipWithoutCgroups();
        var cgroup = _factory.Create(Executor, NewName(), new CgroupLimits(null, null, null));
        using var sleeper = System.Diagnostics.Process.Start("sleep", "1000");
        cgroup.Add(sleeper.Id);
        cgroup.ProcessIds().Should().Equal(sleeper.Id);
        if (_factory.Abilities.Freeze) (await cgroup.FreezeAsync(_events, Token)).Should().BeTrue();
        await cgroup.RemoveAsync(_events, Token);
        await sleeper.WaitForExitAsync(Token);
        sleeper.ExitCode.Should().Be(128 + 9);
    }

    [Fact]
    public async Task A_frozen_cgroup_stands_still_until_it_is_thawed()
    {
        SkipWithoutCgroups();
        Assert.SkipUnless(_factory.Abilities.Freeze, "There is no cgroup freezer here.");
        var cgroup = _factory.Create(Executor, NewName(), new CgroupLimits(null, null, null));
        using var burner = System.Diagnostics.Process.Start("sh", ["-c", "while :; do :; done"]);
        cgroup.Add(burner.Id);
        await cgroup.FreezeAsync(_events, Token);
        // A frozen process gets no time at all: two readings are equal, however long lies between them.
        var first = ProcessTable.Find(burner.Id)!.Value.CpuTicks;
        await Task.Delay(100, Token);
        ProcessTable.Find(burner.Id)!.Value.CpuTicks.Should().Be(first);
        cgroup.Thaw();
        while (ProcessTable.Find(burner.Id)!.Value.CpuTicks == first) await Task.Delay(10, Token);
        await cgroup.RemoveAsync(_events, Token);
    }

    [Fact]
    public void V2_cgroups_are_not_made_below_one_that_holds_processes()
    {
        var root = Directory.CreateTempSubdirectory("ergon-cgroups-");
        try
        {
            var session = root.CreateSubdirectory("user.slice/session.scope");
            foreach (var (directory, processes) in new[] { (session, "123\n"), (session.Parent!, "") })
            {
                File.WriteAllText(Path.Combine(directory.FullName, "cgroup.type"), "domain\n");
                File.WriteAllText(Path.Combine(directory.FullName, "cgroup.procs"), processes);
            }

            // What a kernel takes of a session with processes in it: it is one of threads then, and its children can have no limit.
            File.WriteAllText(Path.Combine(session.FullName, "cgroup.subtree_control"), "cpu pids");
            var unified = new CgroupHierarchies(new Dictionary<string, string>(), session.FullName, root.FullName);

            CgroupFactory.Detect(unified).Find("executor", "execution").Places[CgroupV2.Place].Should().Be(Path.Combine(root.FullName, "ergon", "executor", "execution"));
            CgroupFactory.Detect(unified with { V2Root = session.FullName }).Abilities.Pids.Should().BeFalse();
            File.ReadAllText(Path.Combine(session.FullName, "cgroup.subtree_control")).Should().Be("cpu pids", "it is left as it is");
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_v2_cgroup_without_controllers_still_holds_freezes_and_kills()
    {
        var own = CgroupHierarchies.ReadOwn();
        Assert.SkipWhen(own.V2 is null, "There is no v2 hierarchy here.");
        var factory = CgroupFactory.Detect(own with { V1 = new Dictionary<string, string>() });
        Assert.SkipUnless(factory.IsUsable, "Ergon may not make v2 cgroups here.");
        factory.Layout.Should().Be("v2");
        var cgroup = factory.Create(Executor, NewName(), new CgroupLimits(null, null, null));
        cgroup.NeedsGate.Should().BeTrue();
        using var sleeper = System.Diagnostics.Process.Start("sleep", "1000");
        cgroup.Add(sleeper.Id);
        (await cgroup.FreezeAsync(_events, Token)).Should().BeTrue();
        CgroupText.Keyed(CgroupText.Read(Path.Combine(cgroup.Places[CgroupV2.Place], "cgroup.events")), "frozen").Should().Be(1);
        await cgroup.RemoveAsync(_events, Token);
        await sleeper.WaitForExitAsync(Token);
        factory.RemoveExecutor(Executor);
    }

    [Fact]
    public async Task Only_what_nobody_owns_any_more_is_abandoned()
    {
        SkipWithoutCgroups();
        var (owned, abandoned) = (NewName(), NewName());
        var kept = _factory.Create(Executor, owned, new CgroupLimits(null, null, null));
        var left = _factory.Create(Executor, abandoned, new CgroupLimits(null, null, null));
        using var sleeper = System.Diagnostics.Process.Start("sleep", "1000");
        left.Add(sleeper.Id);
        left.Release(); // as the kernel does when a process ends
        await _factory.RemoveAbandonedAsync(_events, Token);
        await sleeper.WaitForExitAsync(Token);
        _factory.List(Executor).Should().Contain(owned).And.NotContain(abandoned);
        await kept.RemoveAsync(_events, Token);
    }

    private static string NewName() => Guid.NewGuid().ToString("n");

    private void SkipWithoutCgroups() => Assert.SkipUnless(_factory.IsUsable, "Ergon may not make cgroups here; run the tests as root.");
}
