namespace Ergon.Architecture.Tests;

/// <summary>Who may see whom.</summary>
public sealed class DoorTests
{
    private static readonly string[] Drivers = ["Ergon.Docker", "Ergon.MicroVm", "Ergon.Process", "Ergon.Runc"];
    private static readonly string[] SharedByDrivers = ["Ergon", "Ergon.Images", "Ergon.Linux", "Ergon.Networks"];
    private static readonly string[] Hosts = ["Ergon.Cli", "Ergon.Daemon"];

    public static TheoryData<string> Projects => [.. SourceProject.All.Select(p => p.Name)];

    [Fact]
    public void The_contract_and_engine_refer_to_nothing_but_abstractions()
    {
        var ergon = Project("Ergon");
        ergon.ProjectReferences.Should().BeEmpty();
        ergon.PackageReferences.Should().OnlyContain(p => p.StartsWith("Microsoft.Extensions.") && p.EndsWith(".Abstractions"));
        ergon.AssemblyReferences.Should().OnlyContain(a =>
            a.StartsWith("System.") || a == "Microsoft.Win32.Primitives" || (a.StartsWith("Microsoft.Extensions.") && a.EndsWith(".Abstractions")));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Only_hosts_see_several_drivers_and_drivers_never_see_each_other(string name)
    {
        var project = Project(name);
        var seen = project.ProjectReferences.Concat(project.AssemblyReferences).Where(r => Drivers.Contains(r)).Distinct().ToList();
        if (Drivers.Contains(name))
        {
            seen.Should().BeEmpty();
            project.ProjectReferences.Should().BeSubsetOf(SharedByDrivers);
        }
        else if (!Hosts.Contains(name))
        {
            seen.Should().BeEmpty("only {0} see drivers", string.Join(" and ", Hosts));
        }
    }

    [Fact]
    public void Images_see_the_contract_and_the_kernel_only()
    {
        var images = Project("Ergon.Images");
        images.ProjectReferences.Should().BeSubsetOf(["Ergon", "Ergon.Linux"]);
        images.AssemblyReferences.Where(a => a.StartsWith("Ergon")).Should().BeSubsetOf(["Ergon", "Ergon.Linux"]);
    }

    [Fact]
    public void Networks_see_the_contract_and_the_kernel_only()
    {
        var networks = Project("Ergon.Networks");
        networks.ProjectReferences.Should().BeSubsetOf(["Ergon", "Ergon.Linux"]);
        networks.AssemblyReferences.Where(a => a.StartsWith("Ergon")).Should().BeSubsetOf(["Ergon", "Ergon.Linux"]);
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Only_the_docker_driver_sees_the_docker_client(string name)
    {
        if (name == "Ergon.Docker") return;
        var project = Project(name);
        project.AssemblyReferences.Should().NotContain(a => a.StartsWith("Docker."));
        project.PackageReferences.Should().NotContain(p => p.StartsWith("Docker."));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Only_the_command_line_sees_the_terminal_libraries(string name)
    {
        if (name == "Ergon.Cli") return;
        Project(name).AssemblyReferences.Should().NotContain(a => a.StartsWith("Spectre.") || a == "System.CommandLine");
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Only_the_daemon_sees_aspnet(string name)
    {
        if (name == "Ergon.Daemon") return;
        Project(name).AssemblyReferences.Should().NotContain(a => a.StartsWith("Microsoft.AspNetCore"));
    }

    private static SourceProject Project(string name) => SourceProject.All.Single(p => p.Name == name);
}
