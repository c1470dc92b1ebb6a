using CsCheck;

namespace Ergon.Linux.Tests;

/// <summary>The kernel's and the system's text files.</summary>
public sealed class TextTests
{
    [Fact]
    public void A_mount_point_with_special_characters_is_read_as_it_is()
    {
        var mounts = MountTable.Parse("36 35 98:0 / /mnt/a\\040b\\011c\\134d rw,noatime shared:1 master:2 - ext4 /dev/my\\040disk rw,errors=continue\n");
        mounts.Should().ContainSingle().Which.Should().Be(
            new MountEntry("/", "/mnt/a b\tc\\d", "rw,noatime", "ext4", "/dev/my disk", "rw,errors=continue"));
    }

    [Fact]
    public void A_mount_point_that_is_not_ascii_is_read_as_it_is() =>
        MountTable.Parse("36 35 98:0 / /mnt/müll\\040ß rw - ext4 /dev/x rw\n")[0].MountPoint.Should().Be("/mnt/müll ß");

    [Fact]
    public void The_own_cgroups_are_found_in_v1_and_v2_hierarchies()
    {
        const string MountInfo = """
            1 0 0:1 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
            2 0 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
            3 0 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
            """;
        var found = CgroupHierarchies.Parse(MountInfo, "4:memory:/a:b/c\n3:cpu,cpuacct:/\n2:pids:/nowhere\n0::/x\n");
        found.V1.Should().BeEquivalentTo(new Dictionary<string, string>
        {
            ["memory"] = "/sys/fs/cgroup/memory/a:b/c", ["cpu"] = "/sys/fs/cgroup/cpu,cpuacct", ["cpuacct"] = "/sys/fs/cgroup/cpu,cpuacct",
        });
        found.V2.Should().Be("/sys/fs/cgroup/unified/x");
        found.V2Root.Should().Be("/sys/fs/cgroup/unified");
    }

    [Fact]
    public void In_a_container_the_mount_point_stands_for_the_containers_own_cgroup()
    {
        const string MountInfo = "2 0 0:2 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        CgroupHierarchies.Parse(MountInfo, "4:memory:/docker/abc\n").V1["memory"].Should().Be("/sys/fs/cgroup/memory");
        CgroupHierarchies.Parse(MountInfo, "4:memory:/docker/abc/job\n").V1["memory"].Should().Be("/sys/fs/cgroup/memory/job");
        CgroupHierarchies.Parse(MountInfo, "4:memory:/docker/abcd\n").V1["memory"].Should().Be("/sys/fs/cgroup/memory");
    }

    [Fact]
    public void Numbers_in_cgroup_files_are_found_by_their_whole_key()
    {
        CgroupText.Keyed("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill").Should().Be(3);
        CgroupText.Keyed("low 0\noom 1\n", "oom_kill").Should().BeNull();
        CgroupText.Number("max\n").Should().BeNull();
        CgroupText.Number("42\n").Should().Be(42);
        CgroupText.SumOfIoStat("8:0 rbytes=10 wbytes=1 rios=1\n8:16 rbytes=5 wbytes=2\n", "rbytes").Should().Be(15);
        CgroupText.SumOfBlkio("8:0 Read 10\n8:0 Write 1\n8:0 Total 11\n8:16 Read 5\nTotal 16\n", "Read").Should().Be(15);
        CgroupText.ProcessIds("1\n22\n\nx\n").Should().Equal(1, 22);
    }

    [Theory]
    [InlineData("1000\n", "anon 1\ninactive_file 400\n", 600L)]
    [InlineData("1000\n", "inactive_file 2000\n", 1000L)]
    [InlineData("1000\n", "inactive_file 1000\n", 1000L)]
    [InlineData("1000\n", null, 1000L)]
    [InlineData(null, "inactive_file 400\n", null)]
    public void Memory_in_use_is_without_the_cache_and_never_less_than_nothing(string? usage, string? stat, long? inUse) =>
        CgroupText.MemoryInUse(usage, stat, "inactive_file").Should().Be(inUse);

    [Fact]
    public void A_process_name_may_contain_anything()
    {
        var entry = ProcessEntry.Parse("42 (a) b (c) S 7 42 41 0 -1 4194308 0 0 0 0 3 4 5 6 20 0 2 0 100 4096 9 0");
        entry.Should().Be(new ProcessEntry(42, 'S', 7, 41, 4194308, 7, 11, 2, 9));
        entry!.Value.IsExiting.Should().BeTrue();
    }

    [Fact]
    public void The_own_process_is_found_in_the_table()
    {
        var own = ProcessTable.Find(Environment.ProcessId)!.Value;
        own.Should().Match<ProcessEntry>(p => p.Id == Environment.ProcessId && p.Threads > 1 && p.ResidentPages > 0);
        own.IsExiting.Should().BeFalse();
        ProcessTable.ReadAll().Should().Contain(p => p.Id == Environment.ProcessId);
    }

    [Fact]
    public void Network_counters_leave_loopback_out()
    {
        const string Text = """
            Inter-|   Receive                                                |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
                lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
              eth0:    1234       5    0    0    0     0          0         0     5678       6    0    0    0     0       0          0
            """;
        NetworkCounters.Parse(Text).Should().Be((1234, 5678));
    }

    [Theory]
    [InlineData("root", 0u, 0u)]
    [InlineData("alice", 1000u, 1001u)]
    [InlineData("1000", 1000u, 1001u)]
    [InlineData("alice:video", 1000u, 44u)]
    [InlineData("5:6", 5u, 6u)]
    [InlineData("77", 77u, 77u)]
    public void A_user_is_found_by_name_or_number(string text, uint uid, uint gid) =>
        Users().Find(text).Should().Match<UserIdentity>(u => u.Uid == uid && u.Gid == gid);

    [Theory]
    [InlineData("")]
    [InlineData("bob")]
    [InlineData("alice:nogroup")]
    [InlineData(":video")]
    [InlineData("1:2:3")]
    [InlineData("-1")]
    [InlineData("4294967295")]
    [InlineData("0:4294967295")]
    public void A_user_that_does_not_exist_is_not_found(string text) => Users().Find(text).Should().BeNull();

    [Fact]
    public void A_number_means_itself_whoever_is_called_so()
    {
        var users = new UserDatabase("1000:x:0:0::/root:/bin/sh\n", "1001:x:0:\n");
        users.Find("1000:1001").Should().BeEquivalentTo(new UserIdentity(1000, 1001, []));
        users.Find("1000").Should().BeEquivalentTo(new UserIdentity(1000, 1000, []));
    }

    [Fact]
    public void A_user_by_name_has_its_supplementary_groups() => Users().Find("alice")!.Groups.Should().Equal(44u, 100u);

    [Fact]
    public void No_text_makes_a_parser_throw()
    {
        var word = Gen.OneOf([.. new[] { "", "-", "ext4", "cgroup2", "rw,memory", "/", "a:b", "\\040", "\\7", "1", "-1", "99999999999999999999", "(", ")", "S", "rbytes=", "rbytes=9223372036854775807", "Read", "max", "\0", "é" }.Select(w => Gen.Const(w))]);
        var separator = Gen.OneOf([.. new[] { " ", "\n", ":", ",", "\t", "" }.Select(w => Gen.Const(w))]);
        Gen.Select(Gen.Select(word, separator).Array[0, 40], Gen.String).Sample((parts, noise) =>
        {
            var text = string.Concat(parts.Select(p => p.Item1 + p.Item2));
            foreach (var sample in (string[])[text, noise, text + noise])
            {
                MountTable.Parse(sample);
                CgroupHierarchies.Parse(sample, sample);
                CgroupText.Number(sample);
                CgroupText.Keyed(sample, "Read");
                CgroupText.SumOfIoStat(sample, "rbytes");
                CgroupText.SumOfBlkio(sample, "Read");
                CgroupText.ProcessIds(sample);
                ProcessEntry.Parse(sample);
                NetworkCounters.Parse(sample);
                new UserDatabase(sample, sample).Find(sample);
            }
        });
    }

    private static UserDatabase Users() => new(
        "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001:Alice:/home/alice:/bin/sh\nbroken\n",
        "root:x:0:\nvideo:x:44:bob,alice\nusers:x:100:alice\nalice:x:1001:\n");
}
