using Ergon.Images;

namespace Ergon.MicroVm.Execution;

/// <summary>Reads a <see cref="MicroVmSpec"/> from the parameters of a request and tells everything that is wrong with them.</summary>
internal static class MicroVmSpecReader
{
    private static readonly string[] Names =
    [
        "image", "entrypoint", "cmd", "environment", "working_directory", "user", "hostname", "stop_signal", "pull_policy", "platform",
        "read_only_root", "cap_add", "kernel_image", "initrd_path", "kernel_args", "root_file_system", "mmds_message", "machine",
    ];

    public static MicroVmSpec Read(SpecConfig config, RequestProblems problems)
    {
        var parameters = new SpecParameters(config, Names, problems);
        var spec = new MicroVmSpec
        {
            Image = parameters.Text("image"),
            Entrypoint = parameters.TextList("entrypoint"),
            Cmd = parameters.TextList("cmd"),
            Environment = parameters.Variables("environment"),
            WorkingDirectory = parameters.AbsolutePath("working_directory"),
            User = parameters.Text("user"),
            Hostname = parameters.Hostname("hostname"),
            StopSignal = parameters.SignalOf("stop_signal"),
            PullPolicy = parameters.PullPolicy(problems),
            Platform = parameters.Text("platform"),
            ReadOnlyRoot = parameters.Flag("read_only_root") ?? false,
            CapAdd = parameters.TextList("cap_add") ?? [],
            KernelImage = parameters.AbsolutePath("kernel_image"),
            InitrdPath = parameters.AbsolutePath("initrd_path"),
            KernelArgs = parameters.Text("kernel_args"),
            RootFileSystem = parameters.AbsolutePath("root_file_system"),
            MmdsMessage = parameters.Text("mmds_message"),
            Machine = parameters.Text("machine"),
        };
        if (spec.Image is not null) CheckImage(spec, problems);
        else CheckOwnRoot(spec, problems);
        return spec;
    }

    private static void CheckImage(MicroVmSpec spec, RequestProblems problems)
    {
        if (!ImageSource.TryParse(spec.Image!, out _, out var why)) problems.Invalid(SpecParameters.Field("image"), $"'{spec.Image}' {why}");
        foreach (var (name, value) in new[] { ("initrd_path", spec.InitrdPath), ("root_file_system", spec.RootFileSystem), ("kernel_args", spec.KernelArgs), ("mmds_message", spec.MmdsMessage) })
            if (value is not null) problems.Invalid(SpecParameters.Field(name), "is for a guest with its own init; leave it out, or leave out the image.");
    }

    private static void CheckOwnRoot(MicroVmSpec spec, RequestProblems problems)
    {
        if (spec.RootFileSystem is null && spec.InitrdPath is null)
        {
            problems.Invalid(SpecParameters.Field("image"), "is missing; name an image, or give a root_file_system or initrd_path that boots by itself.");
            return;
        }

        if (spec.KernelImage is null) problems.Invalid(SpecParameters.Field("kernel_image"), "is missing; a guest with its own init needs its own kernel.");
        foreach (var name in new[] { "entrypoint", "cmd" })
            if ((name == "cmd" ? spec.Cmd : spec.Entrypoint) is { Count: > 0 })
                problems.Invalid(SpecParameters.Field(name), "has no meaning for a guest with its own init; name an image to run a command in, or put init=... into kernel_args.");
    }
}
