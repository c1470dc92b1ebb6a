namespace Ergon.Runc.Bundles;

/// <summary>Where the parts of a container lie in the work directory of its execution.</summary>
/// <param name="WorkDirectory">The execution's own directory.</param>
internal sealed record BundlePaths(string WorkDirectory)
{
    /// <summary>
    /// What runc is given: the configuration lies in it. A file system in memory is mounted there that only the keeper's mount namespace sees, as are all the
    /// parts in it; it goes with the keeper.
    /// </summary>
    public string Bundle => Path.Combine(WorkDirectory, "bundle");

    public string Configuration => Path.Combine(Bundle, "config.json");

    /// <summary>Where the root file system is mounted.</summary>
    public string Root => Path.Combine(Bundle, "rootfs");

    /// <summary>The files of <c>/etc</c> that are made for each container.</summary>
    public string Etc => Path.Combine(Bundle, "etc");

    /// <summary>Where runc notes what it has made.</summary>
    public string State => Path.Combine(Bundle, "state");

    public string Log => Path.Combine(Bundle, "runc.log");

    /// <summary>Everything that the job can write in its root file system, which nobody can trust.</summary>
    public string Written => Path.Combine(WorkDirectory, "written");

    public string Upper => Path.Combine(Written, "upper");

    public string Work => Path.Combine(Written, "work");

    /// <summary>The provision scripts, which are read-only inside, at <see cref="Containers.ContainerInit.ScriptsDirectory"/>.</summary>
    public string Scripts => Path.Combine(WorkDirectory, "scripts");
}
