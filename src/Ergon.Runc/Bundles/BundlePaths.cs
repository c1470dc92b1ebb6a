namespace Ergon.Runc.Bundles;

/// <summary>Where the parts of a container lie in the work directory of its execution.</summary>
/// <param name="WorkDirectory">The execution's own directory.</param>
internal sealed record BundlePaths(string WorkDirectory)
{
    /// <summary>Everything that the job writes in its root file system, which nobody can trust.</summary>
    public string Upper => Path.Combine(WorkDirectory, "upper");

    /// <summary>What the overlay needs beside it.</summary>
    public string Work => Path.Combine(WorkDirectory, "work");

    /// <summary>
    /// Where the keeper's mount namespace has the root file system: over what it is made of, since each further directory would have to be made on the disk,
    /// and removed.
    /// </summary>
    public string Root => Upper;

    /// <summary>
    /// What runc is given: the configuration lies in it. There the keeper's mount namespace, and no other, has a file system in memory, with all the parts in
    /// it; it goes with the keeper.
    /// </summary>
    public string Bundle => Work;

    public string Configuration => Path.Combine(Bundle, "config.json");

    /// <summary>The files of <c>/etc</c> that are made for each container.</summary>
    public string Etc => Path.Combine(Bundle, "etc");

    /// <summary>Where runc notes what it has made.</summary>
    public string State => Path.Combine(Bundle, "state");

    public string Log => Path.Combine(Bundle, "runc.log");

    /// <summary>The provision scripts, which are read-only inside, at <see cref="Containers.ContainerInit.ScriptsDirectory"/>.</summary>
    public string Scripts => Path.Combine(WorkDirectory, "scripts");
}
