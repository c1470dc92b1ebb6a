namespace Ergon.Docker.Tests;

/// <summary>Resources as the Engine gets to see them.</summary>
public sealed class ResourceTests : DockerTests
{
    [Theory]
    [InlineData(0.25, 250_000_000)]
    [InlineData(1.5, 1_500_000_000)]
    [InlineData(0.1, 100_000_000)]
    [InlineData(0.29, 290_000_000)]
    public void Fractions_of_a_core_become_billionths(double cores, long nanoCpus) =>
        HostConfigOf(new Resources { Cpu = cores }).NanoCpus.Should().Be(nanoCpus);

    [Fact]
    public async Task The_engine_takes_a_fraction_of_a_core() =>
        (await StartAndInspectAsync(Request(Hanging()) with { Resources = new Resources { Cpu = 0.29 } })).HostConfig!.NanoCPUs.Should().Be(290_000_000);

    [Fact]
    public async Task More_cores_than_there_are_cannot_be_had()
    {
        var error = await RefusalAsync(ErrorCode.ResourcesUnavailable, Request(Shell("true")) with { Resources = new Resources { Cpu = 4096 } });
        error.Message.Should().Contain("CPUs");
    }

    [Fact]
    public async Task A_disk_quota_that_the_storage_cannot_keep_is_refused_clearly()
    {
        var executor = NewExecutor();
        Assert.SkipWhen((await executor.FingerprintAsync(Token)).Capabilities.DiskLimit, "This Engine's storage has quotas.");
        var error = await RefusalAsync(ErrorCode.NotSupported, Request(Shell("true")) with { Resources = new Resources { Disk = 1 << 30 } });
        error.Problems.Should().ContainSingle().Which.Should().Match<RequestProblem>(p => p.Field == "resources.disk" && p.Message.Contains("pquota"));
    }

    [Fact]
    public void A_disk_quota_is_given_to_the_storage_driver() =>
        HostConfigOf(new Resources { Disk = 1 << 30 }).StorageOpt.Should().Equal(new Dictionary<string, string> { ["size"] = "1073741824" });

    [Fact]
    public void Nvidia_gpus_are_device_requests()
    {
        var requests = HostConfigOf(new Resources { Gpus = [new Gpu(), new Gpu { Device = "GPU-1234" }, new Gpu(), new Gpu { Device = "3" }] }).DeviceRequests!;
        requests.Should().HaveCount(2);
        requests[0].Should().Match<Api.DeviceRequest>(r => r.Driver == "nvidia" && r.DeviceIds!.SequenceEqual(new[] { "GPU-1234", "3" }) && r.Count == 0);
        requests[1].Should().Match<Api.DeviceRequest>(r => r.Driver == "nvidia" && r.Count == 2 && r.DeviceIds == null);
        requests.Should().OnlyContain(r => r.Capabilities!.Single().Single() == "gpu");
    }

    [Fact]
    public async Task The_engine_takes_the_device_request_and_has_no_driver_for_it_here()
    {
        var request = Request(Hanging()) with { Resources = new Resources { Gpus = [new Gpu { Device = "0" }] } };
        (await PrepareAndInspectAsync(request)).HostConfig!.DeviceRequests!.Single().DeviceIDs.Should().Equal("0");
        Assert.SkipWhen((await NewExecutor().FingerprintAsync(Token)).Capabilities.Gpus, "There are GPUs here.");
        var error = await RefusalAsync(ErrorCode.NotSupported, request);
        error.Problems.Should().ContainSingle(p => p.Field == "resources.gpus");
    }

    [Fact]
    public void Amd_gpus_are_the_compute_node_and_their_render_nodes()
    {
        var host = HostConfigOf(new Resources { Gpus = [Amd("/dev/dri/renderD128"), Amd("/dev/dri/renderD129")] });
        host.Devices!.Select(d => d.PathOnHost).Should().Equal("/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129");
        host.Devices!.Should().OnlyContain(d => d.PathInContainer == d.PathOnHost && d.CgroupPermissions == "rw");
        host.DeviceRequests.Should().BeNull();
    }

    [Fact]
    public void Any_intel_gpu_is_the_directory_of_render_nodes() =>
        HostConfigOf(new Resources { Gpus = [new Gpu { Vendor = GpuVendor.Intel }] }).Devices!.Select(d => d.PathOnHost).Should().Equal("/dev/dri");

    [Fact]
    public async Task A_device_that_is_not_there_is_refused_clearly()
    {
        var error = await RefusalAsync(
            ErrorCode.NotSupported, Request(Shell("true")) with { Resources = new Resources { Gpus = [new Gpu { Vendor = GpuVendor.Intel, Device = "/dev/dri/renderD999" }] } });
        error.Problems.Should().ContainSingle(p => p.Field == "resources.gpus" && p.Message.Contains("renderD999"));
    }

    [Fact]
    public async Task Device_nodes_reach_the_job()
    {
        // There is no GPU here: any device node takes the same way.
        var request = Request(Shell("echo written > /dev/full || echo full")) with { Resources = new Resources { Gpus = [new Gpu { Vendor = GpuVendor.Intel, Device = "/dev/kmsg" }] } };
        var devices = (await StartAndInspectAsync(request with { EngineSpec = Hanging().ToSpecConfig() })).HostConfig!.Devices!;
        devices.Single().PathOnHost.Should().Be("/dev/kmsg");
    }

    [Fact]
    public async Task Running_out_of_memory_is_told_apart_from_an_exit_code_and_a_signal_from_outside()
    {
        var tail = await RunAsync(Request(Shell("echo before; exec tail /dev/zero")) with { Resources = new Resources { Memory = 32 << 20 } });
        tail.Reason.Should().Be(TerminationReason.OutOfMemory);
        tail.Killed.Should().BeTrue();
        tail.Stdout.Text.Should().Be("before\n");
        tail.Error.Should().Contain("32");

        var exit = await RunAsync(Request(Shell("exit 137")) with { Resources = new Resources { Memory = 32 << 20 } });
        exit.Reason.Should().Be(TerminationReason.Exited);
        exit.Killed.Should().BeFalse();
    }

    private static Gpu Amd(string device) => new() { Vendor = GpuVendor.Amd, Device = device };

    private static Api.HostConfig HostConfigOf(Resources resources)
    {
        var spec = Shell("true");
        return ContainerSpec.Create(Request(spec) with { Resources = resources }, spec, "executor").HostConfig;
    }
}
