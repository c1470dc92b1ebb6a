namespace Ergon.Linux;

/// <summary>A user and its groups, by number.</summary>
internal sealed record UserIdentity(uint Uid, uint Gid, IReadOnlyList<uint> Groups)
{
    /// <summary>The user that owns nothing.</summary>
    public static UserIdentity Nobody { get; } = new(65534, 65534, []);

    public override string ToString() => $"{Uid}:{Gid}";
}

internal sealed unsafe partial class LaunchScript
{
    private const int KeepCapabilities = 8;
    private const int RaiseAmbient = 2;
    private const int DropFromBoundingSet = 24;
    private const int NoNewPrivileges = 38;
    private const int AmbientCapabilities = 47;
    private const int ClearAmbient = 4;
    private const int MostCapabilities = 64;
    private const int CapabilityVersion3 = 0x20080522;

    // Where the kernel does not say, every number that there can be is tried; it answers EINVAL for those that it does not know.
    private static readonly int CapabilityCount =
        CgroupText.Number(CgroupText.Read("/proc/sys/kernel/cap_last_cap")) is { } last ? (int)last + 1 : MostCapabilities;

    /// <summary>Becomes another user for the next spawn; root stays the saved user, to come back to.</summary>
    public void BorrowUser(uint id)
    {
        Call("leave the supplementary groups", SystemCallNumbers.SetGroups, 0, 0);
        Call("borrow a group", SystemCallNumbers.SetResGid, id, id, 0);
        Call("borrow a user", SystemCallNumbers.SetResUid, id, id, 0);
    }

    /// <summary>Becomes root again.</summary>
    public void ReturnToRoot()
    {
        Call("become root again", SystemCallNumbers.SetResUid, 0, 0, 0);
        Call("become root's group again", SystemCallNumbers.SetResGid, 0, 0, 0);
    }

    /// <summary>What no exec can then win back: no set-user-id program, no file capability gives anything.</summary>
    public void ForbidNewPrivileges() => Call("set no_new_privs", SystemCallNumbers.Prctl, NoNewPrivileges, 1, 0, 0, 0);

    /// <summary>Gives up every capability but those to keep, for good, and becomes a user. Needs root.</summary>
    public void BecomeUser(UserIdentity user, ulong keptCapabilities = 0)
    {
        for (var capability = 0; capability < CapabilityCount; capability++)
            if ((keptCapabilities >> capability & 1) == 0) Call($"drop capability {capability}", SystemCallNumbers.Prctl, DropFromBoundingSet, capability, 0, 0, 0, tolerated: Errno.Invalid);
        if (keptCapabilities != 0) Call("keep capabilities when the user changes", SystemCallNumbers.Prctl, KeepCapabilities, 1, 0, 0, 0);
        Call("clear the ambient capabilities", SystemCallNumbers.Prctl, AmbientCapabilities, ClearAmbient, 0, 0, 0, tolerated: Errno.Invalid);
        var groups = (uint*)Arena.Allocate(user.Groups.Count * sizeof(uint));
        for (var i = 0; i < user.Groups.Count; i++) groups[i] = user.Groups[i];
        Call("set the supplementary groups", SystemCallNumbers.SetGroups, user.Groups.Count, (nint)groups);
        Call($"become group {user.Gid}", SystemCallNumbers.SetResGid, user.Gid, user.Gid, user.Gid);
        Call($"become user {user.Uid}", SystemCallNumbers.SetResUid, user.Uid, user.Uid, user.Uid);
        SetCapabilities(keptCapabilities);
    }

    private void SetCapabilities(ulong kept)
    {
        var header = (int*)Arena.Allocate(2 * sizeof(int));
        header[0] = CapabilityVersion3;
        var sets = (uint*)Arena.Allocate(6 * sizeof(int)); // effective, permitted, inheritable: of the lower half, then of the upper
        for (var i = 0; i < 6; i++) sets[i] = (uint)(kept >> (i < 3 ? 0 : 32));
        Call("set the capabilities", SystemCallNumbers.CapSet, (nint)header, (nint)sets);
        // Without these a user other than root would lose them in the exec.
        for (var capability = 0; capability < CapabilityCount; capability++)
            if ((kept >> capability & 1) != 0) Call($"keep capability {capability}", SystemCallNumbers.Prctl, AmbientCapabilities, RaiseAmbient, capability, 0, 0);
    }
}
