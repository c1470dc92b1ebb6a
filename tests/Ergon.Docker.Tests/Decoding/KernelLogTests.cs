using CsCheck;

namespace Ergon.Docker.Tests.Decoding;

/// <summary>The kernel's words about memory are the evidence where the Engine's are missing.</summary>
public sealed class KernelLogTests
{
    private const string Container = "595bac06b2a090c417e77df44328e9af14fe15dc6961870e69219fde153a532d";
    private const string Other = "4242ac06b2a090c417e77df44328e9af14fe15dc6961870e69219fde153a532d";

    [Theory]
    [InlineData($"<6>[11112.832514] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={Container},mems_allowed=0,oom_memcg=/docker/{Container},task_memcg=/docker/{Container},task=tail,pid=4242,uid=0")]
    [InlineData($"<6>[1.5] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/system.slice/docker-{Container}.scope,task_memcg=/system.slice/docker-{Container}.scope/sub,task=x,pid=1,uid=0")]
    [InlineData($"<6>[1.5] Task in /docker/{Container} killed as a result of limit of /docker/{Container}")]
    public void The_containers_own_limit_is_out_of_memory(string line) =>
        KernelLog.TellsOutOfMemory($"<6>[1.0] something\n{line}\n<3>[2.0] Memory cgroup out of memory: Killed process 4242 (tail)\n", Container).Should().BeTrue();

    [Theory]
    [InlineData($"<6>[1.5] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset={Container},mems_allowed=0,global_oom,task_memcg=/docker/{Container},task=tail,pid=4242,uid=0")]
    [InlineData($"<6>[1.5] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/docker/{Other},task_memcg=/docker/{Container},task=tail,pid=4242,uid=0")]
    [InlineData($"<6>[1.5] Task in /docker/{Container} killed as a result of limit of /docker/{Other}")]
    [InlineData($"<6>[1.5] docker0: port 1(veth{Container}) entered disabled state")]
    [InlineData("")]
    public void Anything_else_is_not(string line) => KernelLog.TellsOutOfMemory(line, Container).Should().BeFalse();

    [Fact]
    public void Any_text_is_looked_through() => Gen.String.Sample(text => KernelLog.TellsOutOfMemory(text, Container).Should().BeFalse());

    [Fact]
    public void The_log_of_this_machine_knows_nothing_of_a_container_that_never_was() => KernelLog.TellsOutOfMemory(Guid.NewGuid().ToString("n")).Should().BeFalse();
}
