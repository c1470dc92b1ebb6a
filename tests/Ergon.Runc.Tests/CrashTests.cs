using System.Diagnostics;
using System.Text;
using Ergon.Conformance;
using Ergon.Linux;
using Ergon.Runc.Tests.Conformance;

namespace Ergon.Runc.Tests;

/// <summary>A program that runs containers is killed at any moment, and the next one knows everything.</summary>
public sealed class CrashTests(RuncFixture fixture) : RuncTests(fixture)
{
    private readonly Random _random = new();

    [Fact]
    public async Task A_container_outlives_its_executor_and_loses_and_repeats_no_line()
    {
        var request = Request("i=0; while [ $i -lt 60 ]; do seq $((i*1000)) $((i*1000+999)); sleep 0.02; i=$((i+1)); done; exit 7");
        for (var round = 0; round < 3; round++)
        {
            using var host = await HostAsync(round == 0 ? [request] : []);
            await SaysAsync(host, round == 0 ? "started" : "recovered");
            await Task.Delay(250, Token);
            await KillAsync(host);
        }

        await Executor.RecoverAsync(Token);
        (await Executor.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(7);
        var lines = Encoding.ASCII.GetString(await Executor.ReadLogAsync(new() { ExecutionId = request.ExecutionId }, OutputStream.Stdout, Token)).Split('\n');
        lines.Should().Equal([.. Enumerable.Range(0, 60_000).Select(i => $"{i}"), ""]);
    }

    [Fact]
    public async Task What_was_taken_over_is_as_it_was_started()
    {
        var request = Request("echo ready; sed -i s/nobody/other/ /etc/passwd 2>/dev/null; while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 5", s => s with { User = "nobody", Environment = new Dictionary<string, string> { ["A"] = "b=c" } });
        using (var host = await HostAsync([request]))
        {
            await SaysAsync(host, "started");
            await KillAsync(host);
        }

        await Executor.RecoverAsync(Token);
        await using var session = await Executor.ExecAsync(request.ExecutionId, new ExecRequest { Command = ["sh", "-c", "id -u; echo $A; grep ^Seccomp: /proc/self/status; touch /tmp/go"] }, Token);
        using var reader = new StreamReader(session.StandardOutput);
        (await reader.ReadToEndAsync(Token)).Should().Be("65534\nb=c\nSeccomp:\t2\n");
        (await Executor.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(5);
    }

    [Fact]
    public async Task A_container_with_a_network_keeps_it_and_its_ports()
    {
        Assert.SkipUnless(Fixture.Capabilities.Networks.Contains(NetworkMode.Bridge), "There are no bridge networks here.");
        var request = Request("nc -l -p 7000 -e echo hello") with { Network = new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 7000 }] } };
        using (var host = await HostAsync([request]))
        {
            await SaysAsync(host, "started");
            await KillAsync(host);
        }

        await Executor.RecoverAsync(Token);
        var port = (await Executor.GetStatusAsync(request.ExecutionId, Token)).Ports.Single().HostPort;
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(System.Net.IPAddress.Loopback, port, Token);
        using var reply = new StreamReader(client.GetStream());
        (await reply.ReadToEndAsync(Token)).Should().Be("hello\n");
        (await Executor.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task What_was_started_before_a_kill_is_there_and_what_was_not_leaves_no_trace()
    {
        for (var round = 0; round < 2; round++)
        {
            var requests = Enumerable.Range(0, 8).Select(i => Request($"echo out {i}; exit {i % 3}")).ToList();
            var started = 0;
            using (var host = await HostAsync(requests))
            {
                for (; started < 1 + (round * 3); started++) await SaysAsync(host, "started");
                await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(60)), Token);
                await KillAsync(host);
                while (await host.StandardOutput.ReadLineAsync(Token) is not null) started++;
            }

            await using var next = RuncExecutor.Create(Options, ExecutorOptions with { DisposeBehavior = DisposeBehavior.Cancel });
            await next.RecoverAsync(Token);
            var known = (await next.ListAsync(cancellationToken: Token)).Select(i => i.ExecutionId).ToHashSet();
            requests.Take(started).Should().OnlyContain(r => known.Contains(r.ExecutionId));
            foreach (var (request, i) in requests.Select((r, i) => (r, i)).Where(r => known.Contains(r.r.ExecutionId)))
            {
                var result = await next.WaitAsync(request.ExecutionId, Token);
                (result.Reason, result.ExitCode, result.Stdout.Text).Should().Be((TerminationReason.Exited, i % 3, $"out {i}\n"));
            }

            await next.CleanupAsync(Token);
        }
    }

    // As a service is that a system manager has started.
    [Fact]
    public async Task An_executor_in_a_cgroup_of_its_own_leaves_none_of_its_containers_elsewhere()
    {
        var hierarchies = CgroupHierarchies.ReadOwn();
        Assert.SkipWhen(hierarchies.V1.Count == 0 || hierarchies.V2 is null, "There is one hierarchy of cgroups here, in which nobody can be elsewhere.");
        var own = Path.Combine(hierarchies.V2!, $"{ExecutorId}-own");
        var request = Request("sleep 1000");
        using (var host = await HostAsync([request], own))
        {
            await SaysAsync(host, "started");
            await KillAsync(host);
        }

        await Executor.RecoverAsync(Token);
        await Executor.PauseAsync(request.ExecutionId, Token);
        await Executor.CancelAsync(request.ExecutionId, Token);
        (await Executor.WaitAsync(request.ExecutionId, Token)).Reason.Should().Be(TerminationReason.Cancelled);
        HostView.CgroupsOf(ExecutorId, request.ExecutionId).Should().BeEmpty();
        Directory.Delete(own);
    }

    private async Task<System.Diagnostics.Process> HostAsync(IReadOnlyList<ExecutionRequest> requests, string? cgroup = null)
    {
        var files = requests.Select((_, i) => Path.Combine(Scratch, $"{i}.json")).ToList();
        for (var i = 0; i < files.Count; i++) await File.WriteAllBytesAsync(files[i], ErgonJson.SerializeRequest(requests[i]), Token);
        string[] arguments = [Path.Combine(AppContext.BaseDirectory, "Ergon.Runc.TestProgram.dll"), ExecutorId, ExecutorOptions.DataDirectory!, Options.CacheDirectory!, Fixture.Root, .. files];
        (string program, arguments) = cgroup is null
            ? ("dotnet", arguments)
            : ("sh", ["-c", "mkdir $0 && echo $$ >$0/cgroup.procs && exec dotnet \"$@\"", cgroup, .. arguments]);
        return System.Diagnostics.Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false })!;
    }

    private static async Task SaysAsync(System.Diagnostics.Process host, string line) => (await host.StandardOutput.ReadLineAsync(Token)).Should().Be(line);

    private static async Task KillAsync(System.Diagnostics.Process host)
    {
        host.Kill();
        await host.WaitForExitAsync(Token);
    }
}
