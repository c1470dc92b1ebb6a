using Ergon.Networks;

namespace Ergon.MicroVm.Tests.Network;

/// <summary>How networks come and go, also when processes die over it.</summary>
public sealed class LifeTests
{
    private const string Ports = "-:0:80/tcp 0.0.0.0:8080:81/udp";

    [Fact]
    public async Task A_removed_network_leaves_nothing_and_may_be_removed_again()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var networks = lab.StartNetworks();
        await networks.CleanupAsync("one");
        var before = await lab.DescribeHostAsync();
        var network = await networks.CreateAsync("one", "a", Ports);
        var guest = await lab.StartGuestAsync(network);
        await lab.Outside.ServeAsync(80, "outside");
        (await guest.AskAsync("tcp", NetworkLab.OutsideAddress, 80)).Should().StartWith("outside");
        await networks.RemoveAsync("one", "a");
        (await lab.DescribeHostAsync()).Should().Be(before);
        (await lab.Host.RunAsync("cat", "/proc/net/nf_conntrack")).Should().NotContain(network.GuestAddress);
        await networks.RemoveAsync("one", "a");
        (await networks.FindAsync("one", "a")).Should().BeNull();
    }

    [Fact]
    public async Task Executors_do_not_touch_each_others_networks_nor_what_is_not_theirs()
    {
        await using var lab = await NetworkLab.CreateAsync();
        await lab.Host.RunAsync("nft", "add table inet mine; add chain inet mine input { type filter hook input priority 5; }; add rule inet mine input tcp dport 1 drop");
        await lab.Host.IpAsync("tuntap add dev ergon-mine mode tap");
        var (one, two) = (lab.StartNetworks(), lab.StartNetworks());
        await two.CleanupAsync("two");
        var before = await lab.DescribeHostAsync();
        await one.CreateAsync("one", "a", Ports);
        await two.CreateAsync("two", "a", "-:0:80/tcp");
        await two.CreateAsync("two", "b", "-:0:80/tcp");
        var guest = await lab.StartGuestAsync((await two.FindAsync("two", "a"))!);
        await one.CleanupAsync("one");
        (await two.FindAsync("two", "a")).Should().NotBeNull();
        await lab.Outside.ServeAsync(80, "outside");
        (await guest.AskAsync("tcp", NetworkLab.OutsideAddress, 80)).Should().Be($"outside sees {NetworkLab.HostAddress}");
        await two.CleanupAsync("two", "b");
        (await two.FindAsync("two", "a")).Should().BeNull();
        (await two.FindAsync("two", "b")).Should().NotBeNull();
        await two.CleanupAsync("two");
        (await lab.DescribeHostAsync()).Should().Be(before);
    }

    [Fact]
    public async Task Networks_that_are_made_at_the_same_moment_by_several_processes_do_not_collide()
    {
        const int Each = 6;
        await using var lab = await NetworkLab.CreateAsync();
        var before = await lab.DescribeHostAsync();
        NetworksProgram[] programs = [lab.StartNetworks(), lab.StartNetworks(), lab.StartNetworks()];
        var made = (await Task.WhenAll(programs.Select(async (program, p) =>
        {
            var mine = new List<BridgeNetwork>();
            for (var i = 0; i < Each; i++) mine.Add(await program.CreateAsync($"executor{p}", $"e{i}", Ports.Replace("8080", "0")));
            return mine;
        }))).SelectMany(n => n).ToList();
        made.Select(n => n.GuestAddress).Should().OnlyHaveUniqueItems().And.HaveCount(programs.Length * Each);
        made.Select(n => n.InterfaceName).Should().OnlyHaveUniqueItems();
        made.SelectMany(n => n.Ports).Select(p => (p.Protocol, p.HostPort)).Should().OnlyHaveUniqueItems();
        await Task.WhenAll(programs.Select((program, p) => program.CleanupAsync($"executor{p}")));
        (await lab.DescribeHostAsync()).Should().Be(before);
    }

    [Fact]
    public async Task A_restarted_executor_finds_its_network_and_mends_flushed_rules()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var first = lab.StartNetworks();
        var network = await first.CreateAsync("one", "a", Ports);
        var guest = await lab.StartGuestAsync(network);
        await guest.ServeAsync(81, "guest");
        await first.KillAsync();
        await lab.Host.RunAsync("nft", "flush", "ruleset");
        (await lab.Outside.AskAsync("udp", NetworkLab.HostAddress, 8080)).Should().NotStartWith("guest");
        var second = lab.StartNetworks();
        (await second.FindAsync("one", "a")).Should().BeEquivalentTo(network);
        (await lab.Outside.AskAsync("udp", NetworkLab.HostAddress, 8080)).Should().StartWith("guest");
    }

    [Theory]
    [InlineData(1, "before")]
    [InlineData(1, "after")]
    [InlineData(2, "before")]
    [InlineData(2, "after")]
    public async Task A_process_that_is_killed_while_it_makes_or_removes_a_network_leaves_nothing_that_cleanup_does_not_remove(int step, string when)
    {
        await using var lab = await NetworkLab.CreateAsync();
        var cleaner = lab.StartNetworks();
        await cleaner.CleanupAsync("one");
        var before = await lab.DescribeHostAsync();
        using var nft = new ScriptedNft(step, when == "before" ? "kill -9 $PPID" : "/usr/sbin/nft \"$@\"; kill -9 $PPID");
        (await lab.StartNetworks(nft.Directory).AskAsync($"create one a 1000 {Ports}")).Should().BeNull();
        (await lab.DescribeHostAsync()).Should().NotBe(before);
        await cleaner.CleanupAsync("one");
        (await lab.DescribeHostAsync()).Should().Be(before);
        await cleaner.CreateAsync("one", "a", Ports);
        nft.Reset();
        (await lab.StartNetworks(nft.Directory).AskAsync("remove one a")).Should().BeNull();
        await cleaner.CleanupAsync("one");
        (await lab.DescribeHostAsync()).Should().Be(before);
    }

    [Fact]
    public async Task A_process_that_is_killed_at_any_moment_leaves_nothing_that_cleanup_does_not_remove()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var cleaner = lab.StartNetworks();
        await cleaner.CleanupAsync("one");
        var before = await lab.DescribeHostAsync();
        for (var i = 0; i < 10; i++)
        {
            // Nothing hangs on which moment it is: whatever was made by then must go.
            var victim = lab.StartNetworks();
            await victim.AskAsync("probe");
            var answer = victim.AskAsync($"create one e{i} 1000 {Ports}");
            await Task.Delay(TimeSpan.FromMilliseconds(i * 10), TimeProvider.System, TestContext.Current.CancellationToken);
            await victim.KillAsync();
            await answer;
            await cleaner.CleanupAsync("one");
            (await lab.DescribeHostAsync()).Should().Be(before);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_step_that_fails_is_told_and_leaves_nothing(int step)
    {
        await using var lab = await NetworkLab.CreateAsync();
        await lab.StartNetworks().CleanupAsync("one");
        var before = await lab.DescribeHostAsync();
        using var nft = new ScriptedNft(step, "echo no such luck >&2; exit 1");
        var networks = lab.StartNetworks(nft.Directory);
        (await networks.AskAsync($"create one a 1000 {Ports}")).Should().StartWith("error BackendFailed").And.Contain("no such luck");
        (await lab.DescribeHostAsync()).Should().Be(before);
        await networks.CreateAsync("one", "a", Ports);
    }

    [Fact]
    public async Task The_tap_is_the_vmms_users_and_nobody_elses()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var network = await lab.StartNetworks().CreateAsync("one", "a");
        (await AttachAsync(1000)).Should().Be(0);
        (await AttachAsync(1001)).Should().Be(Linux.Errno.NotPermitted);

        // Where no udev runs, only root may open the device; making a tap takes more than that everywhere.
        async Task<int> AttachAsync(int user) => (await lab.Host.TryAsync(
            "unshare", "--mount", "sh", "-c",
            $"mount -t tmpfs tmpfs {lab.StateDirectory} && mknod -m 666 {lab.StateDirectory}/tun c 10 200 && mount --bind {lab.StateDirectory}/tun /dev/net/tun && " +
            $"exec {NetworkNamespace.ProgramAs(user)} attach {network.InterfaceName}")).ExitCode;
    }

    [Fact]
    public async Task A_name_server_on_the_loopback_is_not_given_to_guests_and_one_of_the_request_is()
    {
        await using var lab = await NetworkLab.CreateAsync();
        (await lab.StartNetworks().CreateAsync("one", "a", "dns=192.0.2.1 dns=192.0.2.2")).NameServers.Should().Equal("192.0.2.1", "192.0.2.2");
        NameServers.Parse("# nameserver 192.0.2.9\nnameserver 127.0.0.53\nnameserver ::1\n nameserver\t192.0.2.3 # three\noptions edns0\n").Should().Equal("192.0.2.3");
    }

    [Fact]
    public async Task Addresses_that_the_host_uses_are_left_out()
    {
        await using var lab = await NetworkLab.CreateAsync();
        await lab.Host.IpAsync("address add 10.201.0.9/29 dev up0");
        var networks = lab.StartNetworks();
        (await networks.CreateAsync("one", "a")).GuestAddress.Should().Be("10.201.0.2");
        (await networks.CreateAsync("one", "b")).GuestAddress.Should().Be("10.201.0.6");
        (await networks.CreateAsync("one", "c")).GuestAddress.Should().Be("10.201.0.18");
        var routes = new HostRoutes([AddressRange.Parse("10.0.0.0/8"), AddressRange.Parse("10.201.0.0/30")], null);
        routes.FindFree(AddressRange.Parse("10.201.0.0/29"), []).Should().Be(AddressRange.Parse("10.201.0.4/30"));
        routes.FindFree(AddressRange.Parse("10.201.0.0/29"), [AddressRange.Parse("10.201.0.4/30")]).Should().BeNull();
    }

    /// <summary>An nft that does something else the n-th time that it is run.</summary>
    private sealed class ScriptedNft : IDisposable
    {
        private readonly DirectoryInfo _directory = System.IO.Directory.CreateTempSubdirectory("ergon-nft-");

        public ScriptedNft(int turn, string instead)
        {
            var script = Path.Combine(Directory, "nft");
            File.WriteAllText(script, $"#!/bin/sh\necho >> {Directory}/runs\nif [ $(wc -l < {Directory}/runs) = {turn} ]; then {instead}; fi\nexec /usr/sbin/nft \"$@\"\n");
            File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        public string Directory => _directory.FullName;

        public void Reset() => File.Delete(Path.Combine(Directory, "runs"));

        public void Dispose() => _directory.Delete(recursive: true);
    }
}
