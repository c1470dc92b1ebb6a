using Ergon.Benchmarks;
using Ergon.Benchmarks.Runc;
using Ergon.Benchmarks.Service;
using Ergon.Benchmarks.Waiting;

// dotnet run -c Release --project benchmarks/Ergon.Benchmarks -- [SUITE]... [--rounds N] [--executions N] [--output DIRECTORY]
const string suitesThatAre = "docker, testcontainers, warm, cli, process, runc, logs, follow, waiting, vm, daemon, load, containers and churn";
var rounds = 60;
var executions = 10_000;
ResultsFile? results = null;
var suites = new List<string>();
for (var i = 0; i < args.Length; i++)
{
    if (args[i] == "--rounds") rounds = int.Parse(args[++i]);
    else if (args[i] == "--executions") executions = int.Parse(args[++i]);
    else if (args[i] == "--output") results = new ResultsFile(args[++i]);
    else suites.Add(args[i]);
}

if (suites.Count == 0) suites = ["docker", "cli", "process", "logs"];
if (results is not null) await results.BeginAsync();
var host = Environment.GetEnvironmentVariable("DOCKER_HOST") ?? "unix:///var/run/docker.sock";
using var cpu = new CpuMeter(host);
var alternation = new Alternation(cpu);
foreach (var suite in suites)
{
    Section section = suite switch
    {
        "docker" => await DockerBenchmark.RunAsync(alternation, host, rounds),
        "testcontainers" => await TestcontainersBenchmark.RunAsync(alternation, host, rounds),
        "warm" => await WarmBenchmark.RunAsync(rounds),
        "cli" => await CliBenchmark.RunAsync(alternation, Math.Min(rounds, 30)),
        "process" => await ProcessBenchmark.RunAsync(alternation, rounds),
        "runc" => await RuncBenchmark.RunAsync(alternation, rounds),
        "vm" => await VmBenchmark.RunAsync(rounds),
        "logs" => await LogBenchmark.RunAsync(alternation, host),
        "follow" => await FollowBenchmark.RunAsync(host),
        "waiting" => await WaitingBenchmark.RunAsync(),
        "daemon" => await StartBenchmark.RunAsync(rounds),
        "load" => await LoadBenchmark.RunAsync(executions),
        "containers" => await LoadBenchmark.RunContainersAsync(executions),
        "churn" => await ChurnBenchmark.RunAsync(executions),
        _ => throw new ArgumentException($"'{suite}' is not a suite; there are {suitesThatAre}."),
    };
    Console.WriteLine(section.Text);
    if (results is not null) await results.AddAsync(section);
}
