using Ergon.Linux;

namespace Ergon.MicroVm.Vmm;

/// <summary>The user that VMMs run as.</summary>
internal static class VmmUser
{
    /// <summary>Finds the user of a setting; <see langword="null"/> when we are not root and so stay who we are.</summary>
    /// <param name="setting">As <c>user</c>, <c>user:group</c>, <c>uid</c> or <c>uid:gid</c>.</param>
    /// <param name="withKvm">Whether it must be able to open <c>/dev/kvm</c>, which belongs to the group <c>kvm</c>.</param>
    /// <exception cref="ExecutorException">There is no such user.</exception>
    public static UserIdentity? Of(string setting, bool withKvm)
    {
        if (Libc.EffectiveUserId() != 0) return null;
        var users = UserDatabase.ReadOwn();
        var user = users.Find(setting) ??
            throw new ExecutorException(ErrorCode.BackendUnavailable, $"The option User is '{setting}', which this system does not know; give uid:gid, such as 65534:65534.");
        return withKvm && users.Find("0:kvm") is { } kvm ? user with { Groups = [kvm.Gid] } : user with { Groups = [] };
    }
}
