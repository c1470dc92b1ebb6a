using System.CommandLine;

namespace Ergon.Cli;

/// <summary>The options of <c>ergon run</c>. What is not given is <see langword="null"/> or empty, so that a job file keeps its own.</summary>
internal sealed class RunOptions
{
    public Option<string> Executor { get; } = new("--executor") { Description = $"auto, {string.Join(", ", Executors.Names)}. auto takes docker when an image is given, else process.", DefaultValueFactory = _ => "auto", HelpName = "NAME" };
    public Option<string?> Image { get; } = new("--image") { Description = "The image to run in: [registry/]name[:tag][@digest]; except for docker also oci:DIR, docker-archive:FILE, rootfs:DIR.", HelpName = "REF" };
    public Option<string?> Cpus { get; } = new("--cpus") { Description = "CPU limit in cores, such as 1.5.", HelpName = "N" };
    public Option<string?> Memory { get; } = new("--memory", "-m") { Description = "Memory limit, such as 256m; swap is never added.", HelpName = "SIZE" };
    public Option<string?> Disk { get; } = new("--disk") { Description = "Limit of the writable disk, such as 1g.", HelpName = "SIZE" };
    public Option<string?> Pids { get; } = new("--pids") { Description = "The most processes and threads (512).", HelpName = "N" };
    public Option<string?> Gpus { get; } = new("--gpus") { Description = "The number of NVIDIA GPUs to give.", HelpName = "N" };
    public Option<string?> Timeout { get; } = new("--timeout") { Description = "How long the job may run, such as 30s.", HelpName = "TIME" };
    public Option<string?> PrepareTimeout { get; } = new("--prepare-timeout") { Description = "How long preparing may take: pulls, volumes (10m).", HelpName = "TIME" };
    public Option<string?> StopGrace { get; } = new("--stop-grace") { Description = "Between the stop signal and the kill (10s).", HelpName = "TIME" };
    public Option<string[]> Environment { get; } = new("--env", "-e") { Description = "A variable; without =VALUE, ergon's own.", HelpName = "NAME[=VALUE]" };
    public Option<string[]> Volumes { get; } = new("--volume", "-v") { Description = "A host file or directory to mount.", HelpName = "SRC:DST[:ro]" };
    public Option<string[]> Outputs { get; } = new("--output", "-o") { Description = "A directory inside that ends as NAME in the results directory.", HelpName = "NAME:PATH" };
    public Option<string[]> Ports { get; } = new("--publish", "-p") { Description = "A host port that leads inside; loopback unless IP is given.", HelpName = "[IP:]HOST:GUEST[/udp]" };
    public Option<string?> Network { get; } = new("--network") { Description = "none (default), bridge or host.", HelpName = "MODE" };
    public Option<string?> WorkingDirectory { get; } = new("--workdir", "-w") { Description = "The directory to start in.", HelpName = "DIR" };
    public Option<string?> User { get; } = new("--user", "-u") { Description = "The user to run as.", HelpName = "USER" };
    public Option<string?> Entrypoint { get; } = new("--entrypoint") { Description = "Replaces the image's entrypoint.", HelpName = "PROGRAM" };
    public Option<string?> Pull { get; } = new("--pull") { Description = "missing (default), always or never.", HelpName = "POLICY" };
    public Option<string?> Results { get; } = new("--results") { Description = "A directory for stdout, stderr, exit_code, result.json and the outputs.", HelpName = "DIR" };
    public Option<string?> Id { get; } = new("--id") { Description = "The execution's id (a new one).", HelpName = "ID" };
    public Option<string?> JobId { get; } = new("--job-id") { Description = "The job's id ('cli').", HelpName = "ID" };
    public Option<string[]> Labels { get; } = new("--label", "-l") { Description = "A mark of your own.", HelpName = "NAME=VALUE" };
    public Option<string?> File { get; } = new("--file", "-f") { Description = "A job file, JSON or YAML; - is stdin. Flags win over it.", HelpName = "FILE" };
    public Option<bool> Json { get; } = new("--json") { Description = "Print the result as JSON instead of the job's output." };
    public Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "No progress and no diagnostics, only the job's output." };

    /// <summary>The job's command line, as it stands after <c>--</c>.</summary>
    public IReadOnlyList<string> CommandLine { get; init; } = [];

    public Argument<string[]> Command { get; } = new("command") { Description = "The program and its arguments, after --.", Arity = ArgumentArity.ZeroOrMore, HelpName = "COMMAND" };

    /// <summary>Adds everything to a command.</summary>
    public void AddTo(Command command)
    {
        Option[] options =
        [
            Executor, Image, Cpus, Memory, Disk, Pids, Gpus, Timeout, PrepareTimeout, StopGrace, Environment, Volumes, Outputs, Ports, Network,
            WorkingDirectory, User, Entrypoint, Pull, Results, Id, JobId, Labels, File, Json, Quiet,
        ];
        foreach (var option in options) command.Options.Add(option);
        Executor.AcceptOnlyFromAmong(["auto", .. Executors.Names]);
        Network.AcceptOnlyFromAmong("none", "bridge", "host");
        Pull.AcceptOnlyFromAmong("missing", "always", "never");
        Command.Validators.Add(result =>
        {
            var names = command.Options.Select(o => o.Name).ToList();
            foreach (var token in result.Tokens.Select(t => t.Value).Where(t => t.StartsWith('-')))
                result.AddError($"'{token}' is not an option of 'run'; {NearestName.Explain(token, names)}. The job's own options stand after --.");
        });
        command.Arguments.Add(Command);
    }
}
