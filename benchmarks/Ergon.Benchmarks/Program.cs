using Ergon.Benchmarks;
using Ergon.Benchmarks.Runc;
using Ergon.Benchmarks.Service;

// dotnet run -c Release --project benchmarks/Ergon.Benchmarks -- [docker|warm|cli|process|runc|logs|vm|daemon|load|containers|churn]... [--rounds N] [--executions N]
var rounds = 60;
var executions = 10_000;
var suites = new List<string>();
for (var i = 0; i < args.Length; i++)
{
    if (args[i] == "--rounds") rounds = int.Parse(args[++i]);
    else if (args[i] == "--executions") executions = int.Parse(args[++i]);
    else suites.Add(args[i]);
}

if (suites.Count == 0) suites = ["docker", "cli", "process", "logs"];
foreach (var suite in suites)
{
    var table = suite switch
    {
        "docker" => await DockerBenchmark.RunAsync(rounds),
        "warm" => await WarmBenchmark.RunAsync(rounds),
        "cli" => await CliBenchmark.RunAsync(Math.Min(rounds, 30)),
        "process" => await ProcessBenchmark.RunAsync(rounds),
        "runc" => await RuncBenchmark.RunAsync(rounds),
        "vm" => await VmBenchmark.RunAsync(rounds),
        "logs" => await LogBenchmark.RunAsync(),
        "daemon" => await StartBenchmark.RunAsync(rounds),
        "load" => await LoadBenchmark.RunAsync(executions),
        "containers" => await LoadBenchmark.RunContainersAsync(executions),
        "churn" => await ChurnBenchmark.RunAsync(executions),
        _ => throw new ArgumentException($"'{suite}' is not a suite; there are docker, warm, cli, process, runc, logs, vm, daemon, load, containers and churn."),
    };
    Console.WriteLine(table);
}
