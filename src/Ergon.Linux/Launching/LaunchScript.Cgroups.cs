namespace Ergon.Linux;

internal sealed unsafe partial class LaunchScript
{
    /// <summary>Moves the thread into a v1 cgroup, by a descriptor of its <c>tasks</c> file.</summary>
    public void JoinCgroup(int tasksDescriptor) =>
        Call("join a cgroup", SystemCallNumbers.Write, tasksDescriptor, Arena.Bytes("0"u8), 1);
}
