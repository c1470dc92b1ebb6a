using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using Ergon.Benchmarks.Service;
using Ergon.Docker;
using Ergon.Process;

namespace Ergon.Benchmarks;

/// <summary>
/// How long a line takes from the write until a follower has read it. The benchmark writes the time into a named pipe that the job copies to its
/// output: one clock for both ends, and one copy by <c>cat</c> in every figure.
/// </summary>
internal static class FollowBenchmark
{
    private const int Lines = 1000;
    private const string Inside = "/lines";
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(4);

    public static async Task<Section> RunAsync(string host)
    {
        var directory = Directory.CreateTempSubdirectory("ergon-benchmark-").FullName;
        try
        {
            var pipe = Path.Combine(directory, "pipe");
            using (var made = System.Diagnostics.Process.Start("mkfifo", pipe)) await made.WaitForExitAsync();

            // The job may be another user.
            const UnixFileMode read = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
            const UnixFileMode enter = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
            File.SetUnixFileMode(directory, read | enter | UnixFileMode.UserWrite);
            File.SetUnixFileMode(pipe, read | UnixFileMode.UserWrite);
            string[] command = ["cat", $"{Inside}/pipe"];
            var input = new StorageVolume { Source = directory, Target = Inside, ReadOnly = true };
            using var engine = new HttpEngine(host);
            await using var process = ProcessExecutor.Create();
            await using var docker = DockerExecutor.Create();
            return "\n## A follower\n" + TimesTable.Of("A line, from its write until a follower has read it, microseconds", [
                ("bare process, its pipe read", await MeasureAsync(pipe, a => ReadPipeAsync(pipe, a))),
                ("Ergon, process", await MeasureAsync(pipe, a => FollowAsync(process, new ProcessSpec { Cmd = command }.ToSpecConfig(), input, a))),
                ("Engine API, attached", await MeasureAsync(pipe, a => engine.RunAsync(command, a.Add, $"{directory}:{Inside}:ro"))),
                ("Ergon, Docker", await MeasureAsync(pipe, a => FollowAsync(docker, new DockerSpec { Image = "busybox:latest", Cmd = command }.ToSpecConfig(), input, a)))]);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task<IReadOnlyList<double>> MeasureAsync(string pipe, Func<Arrivals, Task> follow)
    {
        var arrivals = new Arrivals();
        // Opened for both, so that the open does not wait for the job.
        await using var writer = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        var following = follow(arrivals);
        using (var timer = new PeriodicTimer(Interval))
        {
            while (arrivals.Count == 0 && await timer.WaitForNextTickAsync())
            {
                if (following.IsCompleted) await following;
                await WriteAsync(writer);
            }

            for (var i = 0; i < Lines && await timer.WaitForNextTickAsync(); i++) await WriteAsync(writer);
        }

        await writer.DisposeAsync();
        await following.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System);

        // What was written before the job was there has waited for it.
        return [.. arrivals.Microseconds.TakeLast(Lines)];
    }

    private static async Task WriteAsync(FileStream writer)
    {
        var line = new byte[21];
        Utf8Formatter.TryFormat(Stopwatch.GetTimestamp(), line, out var length);
        line[length] = (byte)'\n';
        await writer.WriteAsync(line.AsMemory(0, length + 1));
    }

    private static async Task ReadPipeAsync(string pipe, Arrivals arrivals)
    {
        using var process = System.Diagnostics.Process.Start(new ProcessStartInfo("cat", [pipe]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        var buffer = new byte[4096];
        while (await process.StandardOutput.BaseStream.ReadAsync(buffer) is > 0 and var count) arrivals.Add(new ReadOnlySequence<byte>(buffer, 0, count));
        await process.WaitForExitAsync();
    }

    private static async Task FollowAsync(Executor executor, SpecConfig spec, StorageVolume input, Arrivals arrivals)
    {
        var request = new ExecutionRequest { JobId = JobId.Parse("benchmark"), ExecutionId = ExecutionId.New(), EngineSpec = spec, Inputs = [input] };
        await executor.StartAsync(request);
        await foreach (var entry in executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = request.ExecutionId, Follow = true }))
            arrivals.Add(new ReadOnlySequence<byte>(entry.Data));
        var result = await executor.WaitAsync(request.ExecutionId);
        if (result.Status != ExecutionStatus.Success) throw new InvalidOperationException($"The job failed: {result.Reason} {result.Error}");
    }

    /// <summary>The times that lines have taken, from the time that each carries.</summary>
    private sealed class Arrivals
    {
        private readonly List<double> _microseconds = [];
        private readonly List<byte> _line = [];
        private volatile int _count;

        public int Count => _count;

        public IReadOnlyList<double> Microseconds => _microseconds;

        public void Add(ReadOnlySequence<byte> piece)
        {
            var now = Stopwatch.GetTimestamp();
            foreach (var memory in piece)
            {
                foreach (var octet in memory.Span)
                {
                    if (octet != '\n')
                    {
                        _line.Add(octet);
                        continue;
                    }

                    if (Utf8Parser.TryParse(_line.ToArray(), out long written, out _)) _microseconds.Add(Stopwatch.GetElapsedTime(written, now).TotalMicroseconds);
                    _line.Clear();
                    _count++;
                }
            }
        }
    }
}
