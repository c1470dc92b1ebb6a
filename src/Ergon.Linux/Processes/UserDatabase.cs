namespace Ergon.Linux;

/// <summary>Finds users and groups in the texts of <c>/etc/passwd</c> and <c>/etc/group</c>.</summary>
internal sealed class UserDatabase(string passwd, string group)
{
    public static UserDatabase ReadOwn() => new(CgroupText.Read("/etc/passwd") ?? "", CgroupText.Read("/etc/group") ?? "");

    /// <summary>
    /// The identity that <c>user</c>, <c>user:group</c>, <c>uid</c> or <c>uid:gid</c> names; <see langword="null"/> when there is none.
    /// Numbers need not be in the files, and always mean themselves: a user of another number who is called so does not count.
    /// </summary>
    public UserIdentity? Find(string specification)
    {
        var parts = specification.Split(':');
        if (parts.Length > 2 || parts[0].Length == 0) return null;
        var isNumber = TryNumber(parts[0], out var uid);
        var entry = Entries(passwd).FirstOrDefault(e => e.Length > 3 && (isNumber ? IsNumber(e[2], uid) : e[0] == parts[0]));
        if (!isNumber && (entry is null || !TryNumber(entry[2], out uid))) return null;
        uint gid;
        if (parts.Length == 2)
        {
            if (TryNumber(parts[1], out gid)) return new UserIdentity(uid, gid, []);
            var named = Entries(group).FirstOrDefault(e => e.Length > 2 && e[0] == parts[1]);
            return named is not null && TryNumber(named[2], out gid) ? new UserIdentity(uid, gid, []) : null;
        }

        if (entry is null) return new UserIdentity(uid, uid, []);
        return TryNumber(entry[3], out gid) ? new UserIdentity(uid, gid, GroupsOf(entry[0])) : null;
    }

    /// <summary>The home directory of a user, if it is known.</summary>
    public string? HomeOf(uint uid) => Entries(passwd).FirstOrDefault(e => e.Length > 5 && e[2] == $"{uid}")?[5];

    private uint[] GroupsOf(string user) =>
    [
        .. Entries(group).Where(e => e.Length > 3 && e[3].Split(',').Contains(user))
            .Select(e => TryNumber(e[2], out var gid) ? gid : (uint?)null).OfType<uint>(),
    ];

    private static IEnumerable<string[]> Entries(string text) => text.Split('\n').Select(line => line.Split(':'));

    private static bool IsNumber(string field, uint wanted) => TryNumber(field, out var number) && number == wanted;

    // The highest number means "no change" to the kernel.
    private static bool TryNumber(string text, out uint number) =>
        uint.TryParse(text, System.Globalization.NumberStyles.None, null, out number) && number != uint.MaxValue;
}
