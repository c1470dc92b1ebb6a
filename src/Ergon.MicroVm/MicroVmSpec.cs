using System.Text.Json.Nodes;

namespace Ergon.MicroVm;

/// <summary>
/// The engine spec of a microVM executor. With <see cref="Image"/>, the command runs in the image's root file system; without, the guest
/// boots <see cref="RootFileSystem"/> or <see cref="InitrdPath"/> with its own init, and the end of the machine is the end of the execution.
/// </summary>
public sealed record MicroVmSpec
{
    /// <summary>
    /// The root file system (<c>image</c>): an image reference as for Docker, or one of a named place: <c>docker://REF</c>,
    /// <c>docker-daemon:REF</c>, <c>oci:DIR[:TAG]</c>, <c>oci-archive:FILE</c>, <c>docker-archive:FILE[:REF]</c>, <c>rootfs:PATH</c> (a directory).
    /// </summary>
    public string? Image { get; init; }

    /// <summary>Replaces the image's entrypoint (<c>entrypoint</c>); an empty list resets it.</summary>
    public IReadOnlyList<string>? Entrypoint { get; init; }

    /// <summary>Replaces the image's command (<c>cmd</c>).</summary>
    public IReadOnlyList<string>? Cmd { get; init; }

    /// <summary>Environment variables (<c>environment</c>); those of the request win over them, and they win over the image's.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The absolute directory to start in (<c>working_directory</c>), made if it is missing. <see langword="null"/>: the image's.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>The user to run as (<c>user</c>), as <c>user[:group]</c>, names or numbers. <see langword="null"/>: the image's.</summary>
    public string? User { get; init; }

    /// <summary>The host name inside (<c>hostname</c>). <see langword="null"/>: made from the execution id.</summary>
    public string? Hostname { get; init; }

    /// <summary>The signal that asks the job to stop (<c>stop_signal</c>). <see langword="null"/>: the image's, SIGTERM otherwise.</summary>
    public Signal? StopSignal { get; init; }

    /// <summary>When an image is pulled (<c>pull_policy</c>).</summary>
    public PullPolicy PullPolicy { get; init; }

    /// <summary>The platform to take of an image for several (<c>platform</c>), such as <c>linux/amd64</c>.</summary>
    public string? Platform { get; init; }

    /// <summary>Whether the root file system cannot be written (<c>read_only_root</c>).</summary>
    public bool ReadOnlyRoot { get; init; }

    /// <summary>Capabilities that the job keeps inside its guest (<c>cap_add</c>), if the operator allows them.</summary>
    public IReadOnlyList<string> CapAdd { get; init; } = [];

    /// <summary>The kernel to boot (<c>kernel_image</c>), if the operator allows it. <see langword="null"/>: the operator's own.</summary>
    public string? KernelImage { get; init; }

    /// <summary>The initial RAM disk of a guest with its own init (<c>initrd_path</c>).</summary>
    public string? InitrdPath { get; init; }

    /// <summary>What the kernel of a guest with its own init is told (<c>kernel_args</c>).</summary>
    public string? KernelArgs { get; init; }

    /// <summary>The root file system of a guest with its own init (<c>root_file_system</c>): a raw disk image, of which the guest writes a copy.</summary>
    public string? RootFileSystem { get; init; }

    /// <summary>What the metadata service of a Firecracker guest serves (<c>mmds_message</c>): a JSON object, or any other text, which is then served under <c>message</c>.</summary>
    public string? MmdsMessage { get; init; }

    /// <summary>The machine type (<c>machine</c>) of QEMU, if the operator allows it.</summary>
    public string? Machine { get; init; }

    /// <summary>Creates the engine spec of a request.</summary>
    /// <param name="type">The executor: <c>qemu</c> or <c>firecracker</c>.</param>
    public SpecConfig ToSpecConfig(string type)
    {
        var parameters = new JsonObject();
        Set("image", Image);
        if (Entrypoint is not null) parameters["entrypoint"] = Array(Entrypoint);
        if (Cmd is not null) parameters["cmd"] = Array(Cmd);
        if (Environment.Count > 0) parameters["environment"] = Array(Environment.Select(pair => $"{pair.Key}={pair.Value}"));
        Set("working_directory", WorkingDirectory);
        Set("user", User);
        Set("hostname", Hostname);
        Set("stop_signal", StopSignal?.Name);
        if (PullPolicy != PullPolicy.Missing) parameters["pull_policy"] = PullPolicy.ToString().ToLowerInvariant();
        Set("platform", Platform);
        if (ReadOnlyRoot) parameters["read_only_root"] = true;
        if (CapAdd.Count > 0) parameters["cap_add"] = Array(CapAdd);
        Set("kernel_image", KernelImage);
        Set("initrd_path", InitrdPath);
        Set("kernel_args", KernelArgs);
        Set("root_file_system", RootFileSystem);
        Set("mmds_message", MmdsMessage);
        Set("machine", Machine);
        return SpecConfig.Create(type, parameters);

        void Set(string name, string? value)
        {
            if (value is not null) parameters[name] = value;
        }

        static JsonArray Array(IEnumerable<string> texts) => new([.. texts.Select(text => (JsonNode)JsonValue.Create(text))]);
    }
}
