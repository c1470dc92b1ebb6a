using Ergon.Linux;

namespace Ergon.MicroVm.Vmm;

/// <summary>What the mode of a file lets a user do who is not root.</summary>
internal static class AccessRights
{
    public const uint Read = 4;
    public const uint ReadAndWrite = 6;

    private const int OwnerShift = 6;
    private const int GroupShift = 3;

    /// <summary>Whether a user may do something with a file.</summary>
    public static bool May(UserIdentity user, FileStatus status, uint rights)
    {
        var shift = status.UserId == user.Uid ? OwnerShift : status.GroupId == user.Gid || user.Groups.Contains(status.GroupId) ? GroupShift : 0;
        return (status.Mode >> shift & rights) == rights;
    }
}
