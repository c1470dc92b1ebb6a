namespace Ergon.MicroVm.Tests.Network;

/// <summary>Hosts whose firewall, or whose rights, are not made for it.</summary>
public sealed class FirewallTests
{
    [Theory]
    [InlineData("iptables-nft")]
    [InlineData("iptables-legacy")]
    public async Task A_forward_chain_that_docker_closed_lets_guests_through_until_the_last_one_has_gone(string iptables)
    {
        await using var lab = await NetworkLab.CreateAsync();
        Assert.SkipUnless((await lab.Host.TryAsync("sh", "-c", $"{iptables} -P FORWARD DROP")).IsSuccess, $"{iptables} does not work here.");
        await lab.Host.RunAsync(iptables, "-A", "FORWARD", "-i", "docker0", "-j", "ACCEPT");
        var (one, two) = (lab.StartNetworks(), lab.StartNetworks());
        (await one.AskAsync("probe")).Should().Be("ok ");
        var before = await DescribeAsync();
        var guest = await lab.StartGuestAsync(await one.CreateAsync("one", "a", "0.0.0.0:8080:80/tcp"));
        await two.CreateAsync("two", "b");
        await lab.Outside.ServeAsync(80, "outside");
        await guest.ServeAsync(80, "guest");
        (await guest.AskAsync("tcp", NetworkLab.OutsideAddress, 80)).Should().StartWith("outside sees");
        (await lab.Outside.AskAsync("tcp", NetworkLab.HostAddress, 8080)).Should().StartWith("guest sees");
        await two.RemoveAsync("two", "b");
        (await guest.AskAsync("tcp", NetworkLab.OutsideAddress, 80)).Should().StartWith("outside sees");
        await one.RemoveAsync("one", "a");
        (await DescribeAsync()).Should().Be(before);

        async Task<string> DescribeAsync() => await lab.DescribeHostAsync() + await lab.Host.RunAsync(iptables, "-S");
    }

    [Fact]
    public async Task A_firewall_of_the_operators_own_that_is_closed_is_a_problem_whose_remedy_helps()
    {
        await using var lab = await NetworkLab.CreateAsync();
        await lab.Host.RunAsync("nft", "add table inet firewall; add chain inet firewall forward { type filter hook forward priority 0; policy drop; }");
        var networks = lab.StartNetworks();
        var guest = await lab.StartGuestAsync(await networks.CreateAsync("one", "a"));
        await lab.Outside.ServeAsync(80, "outside");
        (await guest.AskAsync("tcp", NetworkLab.OutsideAddress, 80)).Should().Be("silence");
        var problem = await networks.AskAsync("probe");
        problem.Should().Contain("inet firewall forward");
        await lab.Host.RunAsync("nft", problem!.Split('\'')[^2]);
        (await networks.AskAsync("probe")).Should().Be("ok ");
        (await guest.AskAsync("tcp", NetworkLab.OutsideAddress, 80)).Should().StartWith("outside sees");
    }

    [Fact]
    public async Task Without_the_right_to_change_the_network_the_problem_says_so()
    {
        await using var lab = await NetworkLab.CreateAsync();
        (await lab.StartNetworks().AskAsync("probe")).Should().Be("ok ");
        var refused = await lab.Host.TryAsync(
            "sh", "-c", $"printf 'probe\ncleanup one\nremove one a\n' | {NetworkNamespace.ProgramAs(1000)} networks {lab.StateDirectory}");
        var answers = refused.StandardOutput.TrimEnd('\n').Split('\n');
        answers[0].Should().Contain("CAP_NET_ADMIN");
        answers[1..].Should().Equal("ok ", "ok ");
    }
}
