using CsCheck;
using Ergon.Logs;
using Microsoft.Extensions.Time.Testing;

namespace Ergon.Tests.Logs;

/// <summary>The log on disk, with anything written to it in any order, cut off anywhere.</summary>
public sealed class OutputLogTests : IDisposable
{
    private static readonly OutputStream[] Streams = Enum.GetValues<OutputStream>();

    private static readonly Gen<OutputStream> Stream = Gen.Bool.Select(b => b ? OutputStream.Stdout : OutputStream.Stderr);

    private static readonly Gen<(OutputStream Stream, byte[] Data)[]> Writes =
        Gen.Select(Stream, Gen.Frequency((20, Gen.Byte.Array[0, 300]), (1, Gen.Byte.Array[60_000, 140_000]))).Array[0, 40];

    private readonly string _root = Directory.CreateTempSubdirectory("log-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task Whatever_is_written_is_read_exactly_and_in_order()
    {
        await Writes.SampleAsync(
            async writes =>
            {
                using var log = OutputLog.Create(NewDirectory(), new LogLimits(), TimeProvider.System);
                await WriteAsync(log, writes);
                log.Complete();
                var entries = await ReadAsync(log, default, follow: false);
                Assert.Equal(Order(writes), Order(entries));
                foreach (var stream in Streams)
                {
                    Assert.Equal(Bytes(writes, stream), Bytes(entries, stream));
                    var head = log.ReadHead(stream, 100);
                    Assert.Equal(Bytes(writes, stream).Take(100), head.Bytes.ToArray());
                    Assert.Equal(Bytes(writes, stream).Length, head.TotalBytes);
                }
            },
            iter: 100,
            threads: 1);
    }

    [Fact]
    public async Task Followers_that_join_at_any_moment_see_everything_from_there_on()
    {
        await Gen.Select(Writes, Gen.Int[0, 40].Array[1, 6]).SampleAsync(
            async (writes, joins) =>
            {
                using var log = OutputLog.Create(NewDirectory(), new LogLimits(), TimeProvider.System);
                List<(Task<List<LogEntry>> All, Task<List<LogEntry>> News, int From)> followers = [];
                for (var i = 0; i <= writes.Length; i++)
                {
                    foreach (var _ in joins.Where(j => j == i))
                        followers.Add((Task.Run(() => ReadAsync(log, default, follow: true)), ReadAsync(log, log.Position, follow: true), i));
                    if (i < writes.Length) await WriteAsync(log, writes[i]);
                }

                log.Complete();
                foreach (var (all, news, from) in followers)
                {
                    foreach (var stream in Streams)
                    {
                        Assert.Equal(Bytes(writes, stream), Bytes(await all, stream));
                        Assert.Equal(Bytes(writes[from..], stream), Bytes(await news, stream));
                    }
                }
            },
            iter: 60,
            threads: 1);
    }

    [Fact]
    public async Task Two_writers_at_one_time_do_not_mix_up_their_bytes()
    {
        using var log = OutputLog.Create(NewDirectory(), new LogLimits(), TimeProvider.System);
        var follower = Task.Run(() => ReadAsync(log, default, follow: true));
        await Task.WhenAll(Streams.Select(stream => Task.Run(async () =>
        {
            for (var i = 0; i < 2000; i++) await WriteAsync(log, (stream, Line(i)));
        })));
        log.Complete();
        var entries = await follower;
        foreach (var stream in Streams) Assert.Equal(Enumerable.Range(0, 2000).SelectMany(Line), Bytes(entries, stream));

        static byte[] Line(int i) => System.Text.Encoding.ASCII.GetBytes($"{i}\n");
    }

    [Fact]
    public async Task Beyond_the_limit_the_beginning_is_kept_and_the_rest_is_counted()
    {
        await Gen.Select(Writes, Gen.Int[0, 5000]).SampleAsync(
            async (writes, limit) =>
            {
                using var log = OutputLog.Create(NewDirectory(), new LogLimits { MaxBytesPerStream = limit }, TimeProvider.System);
                await WriteAsync(log, writes);
                log.Complete();
                var entries = await ReadAsync(log, default, follow: true);
                foreach (var stream in Streams)
                {
                    Assert.Equal(Bytes(writes, stream).Take(limit), Bytes(entries, stream));
                    Assert.Equal(Bytes(writes, stream).Length, log.GetPosition(stream));
                }
            },
            iter: 60,
            threads: 1);
    }

    [Fact]
    public async Task After_a_crash_at_any_byte_a_prefix_is_there_and_writing_goes_on_from_it()
    {
        await Gen.Select(Writes, Gen.Double[0, 1], Gen.Double[0, 1], Gen.Double[0, 1]).SampleAsync(
            async (writes, index, stdout, stderr) =>
            {
                var directory = NewDirectory();
                using (var log = OutputLog.Create(directory, new LogLimits(), TimeProvider.System)) await WriteAsync(log, writes);
                Truncate(Path.Combine(directory, "index"), index);
                Truncate(Path.Combine(directory, "stdout"), stdout);
                Truncate(Path.Combine(directory, "stderr"), stderr);

                using var recovered = OutputLog.Open(directory, new LogLimits(), TimeProvider.System);
                var entries = await ReadAsync(recovered, default, follow: false);
                // Of what the index does not tell any more, only the order is lost.
                foreach (var stream in Streams)
                {
                    var (all, kept) = (Bytes(writes, stream), Bytes(entries, stream));
                    Assert.Equal(all[..kept.Length], kept);
                    Assert.Equal(kept.Length, recovered.GetPosition(stream));
                    await recovered.WriteAsync(stream, all.AsMemory(kept.Length), default);
                }

                recovered.Complete();
                var complete = await ReadAsync(recovered, default, follow: true);
                foreach (var stream in Streams) Assert.Equal(Bytes(writes, stream), Bytes(complete, stream));
            },
            iter: 150,
            threads: 1);
    }

    [Fact]
    public async Task What_the_index_does_not_tell_is_no_older_than_what_it_tells()
    {
        var directory = NewDirectory();
        var ahead = new FakeTimeProvider(DateTimeOffset.UtcNow.AddMinutes(1));
        using (var log = OutputLog.Create(directory, new LogLimits(), ahead)) await WriteAsync(log, (OutputStream.Stdout, [1]), (OutputStream.Stdout, [2]));
        await File.AppendAllBytesAsync(Path.Combine(directory, "stdout"), [3], TestContext.Current.CancellationToken);
        await File.AppendAllBytesAsync(Path.Combine(directory, "stderr"), [4], TestContext.Current.CancellationToken);

        using var recovered = OutputLog.Open(directory, new LogLimits(), TimeProvider.System);
        var entries = await ReadAsync(recovered, default, follow: false);
        entries.Select(e => e.Data.Span[0]).Should().Equal(1, 2, 3, 4);
        entries.Should().AllSatisfy(e => e.Timestamp.Should().Be(ahead.GetUtcNow()));
    }

    [Fact]
    public async Task A_damaged_index_is_cut_and_never_an_error()
    {
        await Gen.Select(Writes, Gen.Select(Gen.Double[0, 1], Gen.Byte).Array[1, 5]).SampleAsync(
            async (writes, damages) =>
            {
                var directory = NewDirectory();
                using (var log = OutputLog.Create(directory, new LogLimits(), TimeProvider.System)) await WriteAsync(log, writes);
                var path = Path.Combine(directory, "index");
                if (!File.Exists(path)) return;
                var index = await File.ReadAllBytesAsync(path);
                foreach (var (at, value) in damages) index[(int)(at * (index.Length - 1))] = value;
                await File.WriteAllBytesAsync(path, index);

                using var recovered = OutputLog.Open(directory, new LogLimits(), TimeProvider.System);
                recovered.Complete();
                var entries = new List<LogEntry>();
                await foreach (var entry in recovered.OpenReader(default(LogPosition)).ReadAsync(follow: true, CancellationToken.None)) entries.Add(entry);
                foreach (var stream in Streams)
                {
                    var kept = Bytes(entries, stream);
                    Assert.Equal(Bytes(writes, stream)[..kept.Length], kept);
                }
            },
            iter: 100,
            threads: 1);
    }

    [Fact]
    public void Any_bytes_are_an_index_record_or_not_one()
    {
        Gen.Byte.Array[0, 40].Sample(bytes =>
        {
            if (!LogIndexRecord.TryRead(bytes, out var record)) return;
            var again = new byte[LogIndexRecord.Size];
            record.Write(again);
            Assert.Equal(bytes[..13], again[..13]);
        });
    }

    [Fact]
    public void A_record_that_is_written_is_read_back()
    {
        Gen.Select(Stream, Gen.Int[1, int.MaxValue], Gen.Long[0, DateTime.MaxValue.Ticks]).Sample((stream, length, ticks) =>
        {
            var record = new LogIndexRecord(stream, length, new DateTimeOffset(ticks, TimeSpan.Zero));
            var bytes = new byte[LogIndexRecord.Size];
            record.Write(bytes);
            Assert.True(LogIndexRecord.TryRead(bytes, out var read));
            Assert.Equal(record, read);
        });
    }

    private string NewDirectory() => Directory.CreateDirectory(Path.Combine(_root, Guid.NewGuid().ToString("n"))).FullName;

    private static async Task WriteAsync(OutputLog log, params (OutputStream Stream, byte[] Data)[] writes)
    {
        foreach (var (stream, data) in writes) await log.WriteAsync(stream, data, CancellationToken.None);
    }

    private static async Task<List<LogEntry>> ReadAsync(OutputLog log, LogPosition start, bool follow)
    {
        List<LogEntry> entries = [];
        await foreach (var entry in log.OpenReader(start).ReadAsync(follow, CancellationToken.None)) entries.Add(entry);
        for (var i = 1; i < entries.Count; i++)
        {
            Assert.InRange(entries[i].Position - entries[i - 1].Position, 0, 1);
            Assert.True(entries[i].Timestamp >= entries[i - 1].Timestamp);
        }

        return entries;
    }

    private static byte[] Bytes(IEnumerable<LogEntry> entries, OutputStream stream) =>
        [.. entries.Where(e => e.Stream == stream).SelectMany(e => e.Data.ToArray())];

    private static byte[] Bytes(IEnumerable<(OutputStream Stream, byte[] Data)> writes, OutputStream stream) =>
        [.. writes.Where(w => w.Stream == stream).SelectMany(w => w.Data)];

    private static IEnumerable<OutputStream> Order(List<LogEntry> entries) => entries.GroupBy(e => e.Position).Select(g => g.First().Stream);

    private static IEnumerable<OutputStream> Order(IEnumerable<(OutputStream Stream, byte[] Data)> writes) =>
        writes.Where(w => w.Data.Length > 0).Select(w => w.Stream);

    private static void Truncate(string path, double part)
    {
        if (!File.Exists(path)) return;
        using var file = File.OpenWrite(path);
        file.SetLength((long)(file.Length * part));
    }
}
