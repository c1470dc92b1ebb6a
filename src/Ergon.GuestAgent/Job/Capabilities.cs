namespace Ergon.GuestAgent.Job;

/// <summary>The names of capabilities; their places are their numbers.</summary>
internal static class Capabilities
{
    private static readonly string[] Names =
    [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE",
        "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN",
        "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE",
        "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ];

    /// <summary>The set of capabilities with these names, with or without <c>CAP_</c>.</summary>
    public static ulong Parse(IEnumerable<string> names)
    {
        ulong set = 0;
        foreach (var name in names)
        {
            var plain = name.StartsWith("CAP_", StringComparison.OrdinalIgnoreCase) ? name[4..] : name;
            var number = Array.FindIndex(Names, n => n.Equals(plain, StringComparison.OrdinalIgnoreCase));
            if (number < 0 && !plain.Equals("ALL", StringComparison.OrdinalIgnoreCase))
                throw new RequestException($"engine_spec.params.cap_add: '{name}' is no capability; give names such as NET_ADMIN.");
            set |= number < 0 ? (1UL << Names.Length) - 1 : 1UL << number;
        }

        return set;
    }
}
