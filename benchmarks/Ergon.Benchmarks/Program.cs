using Ergon.Benchmarks;

// dotnet run -c Release --project benchmarks/Ergon.Benchmarks -- [docker|cli|process|logs|vm]... [--rounds N]
var rounds = 60;
var suites = new List<string>();
for (var i = 0; i < args.Length; i++)
{
    if (args[i] == "--rounds") rounds = int.Parse(args[++i]);
    else suites.Add(args[i]);
}

if (suites.Count == 0) suites = ["docker", "cli", "process", "logs"];
foreach (var suite in suites)
{
    var table = suite switch
    {
        "docker" => await DockerBenchmark.RunAsync(rounds),
        "cli" => await CliBenchmark.RunAsync(Math.Min(rounds, 30)),
        "process" => await ProcessBenchmark.RunAsync(rounds),
        "vm" => await VmBenchmark.RunAsync(rounds),
        "logs" => await LogBenchmark.RunAsync(),
        _ => throw new ArgumentException($"'{suite}' is not a suite; there are docker, cli, process, logs and vm."),
    };
    Console.WriteLine(table);
}
