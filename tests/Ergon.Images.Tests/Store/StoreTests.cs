using Ergon.Images.Store;
using Ergon.Linux;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Ergon.Images.Tests.Store;

/// <summary>What a store keeps, shares and removes.</summary>
public sealed class StoreTests : ImageTests
{
    [Fact]
    public async Task Who_needs_an_image_at_the_same_time_shares_one_build()
    {
        var (builds, path) = (new CountingLogger(), Save("shared"));
        await using var store = new ImageStore(Options, builds, TimeProvider.System);
        var leases = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => store.GetAsync(path, PullPolicy.Missing, null, static _ => { }, Token).AsTask()));
        builds.Count.Should().Be(1);
        leases.Select(l => l.Path).Distinct().Should().ContainSingle();
        foreach (var lease in leases) lease.Dispose();
    }

    [Fact]
    public async Task The_same_image_from_two_places_is_built_once()
    {
        var (builds, image) = (new CountingLogger(), new TestImage(new Layer().File("a", "x")));
        await using var store = new ImageStore(Options, builds, TimeProvider.System);
        var paths = new[] { "docker-archive:" + image.SaveTo(Path.Combine(Scratch, "a.tar")), "oci:" + image.LayOut(Path.Combine(Scratch, "layout")) };
        foreach (var lease in await Task.WhenAll(paths.Select(p => store.GetAsync(p, PullPolicy.Missing, null, static _ => { }, Token).AsTask()))) lease.Dispose();
        builds.Count.Should().Be(1);
    }

    [Fact]
    public async Task Two_processes_share_one_build()
    {
        var (path, digest) = (Save("processes"), "");
        using (var lease = await GetAsync(path, store: NewStore(Options with { Directory = Path.Combine(Scratch, "other") }))) digest = lease.Digest;
        using var cache = new ImageCache(Options.Directory, long.MaxValue, new CountingLogger(), TimeProvider.System);
        await using var first = OtherProcess.Start("get", Options.Directory, path);
        await using var second = OtherProcess.Start("get", Options.Directory, path);

        // Held until both are on their way, so that they meet.
        using (await FileLock.TakeAsync(cache.LockPath(digest), Token))
        {
            (await first.LineAsync()).Should().Be("started");
            (await second.LineAsync()).Should().Be("started");
        }

        var lines = (await first.EndAsync()) + (await second.EndAsync());
        lines.Split('\n').Count(l => l == "built").Should().Be(1);
        lines.Split('\n').Count(l => l == cache.ImagePath(digest)).Should().Be(2);
        System.IO.Directory.GetFiles(Path.Combine(Options.Directory, "locks")).Should().BeEmpty();
    }

    [Fact]
    public async Task What_was_not_used_for_the_longest_time_goes_first()
    {
        var time = new FakeTimeProvider();
        await using var store = new ImageStore(Options with { MaxBytes = 900_000 }, new CountingLogger(), time);
        string[] paths = [Save("a", 400_000), Save("b", 400_000), Save("c", 400_000)];
        var files = new List<string>();
        foreach (var path in new[] { paths[0], paths[1], paths[0], paths[2] })
        {
            using var lease = await store.GetAsync(path, PullPolicy.Missing, null, static _ => { }, Token);
            files.Add(lease.Path);
            time.Advance(TimeSpan.FromMinutes(1));
        }

        File.Exists(files[1]).Should().BeFalse("b was used before a");
        File.Exists(Path.ChangeExtension(files[1], ".json")).Should().BeFalse();
        File.Exists(files[0]).Should().BeTrue();
        File.Exists(files[3]).Should().BeTrue();
    }

    [Fact]
    public async Task An_image_in_use_is_never_removed_also_not_by_another_process()
    {
        var store = NewStore(Options with { MaxBytes = 1 });
        await using var other = OtherProcess.Start("get", Options.Directory, Save("theirs"));
        await other.LineAsync();
        await other.LineAsync();
        var theirs = await other.LineAsync();
        var mine = await GetAsync(Save("mine"), store: store);
        (await GetAsync(Save("third"), store: store)).Dispose();
        File.Exists(theirs).Should().BeTrue();
        File.Exists(mine.Path).Should().BeTrue();
        mine.Dispose();
        await other.EndAsync();
        using var last = await GetAsync(Save("last"), store: store);
        File.Exists(theirs).Should().BeFalse();
        File.Exists(mine.Path).Should().BeFalse();
        File.Exists(last.Path).Should().BeTrue();
    }

    [Fact]
    public async Task What_a_process_that_crashed_left_is_removed_and_what_a_living_one_writes_is_not()
    {
        await using var other = OtherProcess.Start("leave", Options.Directory);
        await other.LineAsync();
        var left = await other.LineAsync();
        NewStore();
        File.Exists(left).Should().BeTrue();
        await other.KillAsync();
        NewStore();
        System.IO.Directory.Exists(Path.GetDirectoryName(left)).Should().BeFalse();
    }

    [Fact]
    public async Task An_image_of_another_format_or_with_a_damaged_description_is_made_again()
    {
        var (path, builds) = (Save("formats"), new CountingLogger());
        await using var store = new ImageStore(Options, builds, TimeProvider.System);
        foreach (var damage in new[] { """{"format": 0}""", "{", "null", "" })
        {
            string description;
            using (var lease = await store.GetAsync(path, PullPolicy.Missing, null, static _ => { }, Token)) description = Path.ChangeExtension(lease.Path, ".json");
            await File.WriteAllTextAsync(description, damage, Token);
            using (await store.GetAsync(path, PullPolicy.Missing, null, static _ => { }, Token)) (await File.ReadAllTextAsync(description, Token)).Should().Contain("\"format\": 1");
        }

        builds.Count.Should().Be(5);
    }

    [Fact]
    public async Task Giving_up_leaves_nothing_and_the_next_one_succeeds()
    {
        var (path, store) = (Save("given up", 50_000_000), NewStore());
        using var giveUp = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await store.GetAsync(path, PullPolicy.Missing, null, p => { if (p.Status == "Writing") giveUp.Cancel(); }, giveUp.Token));
        (await GetAsync(path, store: store)).Dispose();
        System.IO.Directory.GetFiles(Path.Combine(Options.Directory, "images"), "*.squashfs").Should().ContainSingle();
    }

    [Fact]
    public void A_directory_that_cannot_be_used_is_an_error_that_names_it()
    {
        var file = Path.Combine(Scratch, "file");
        File.WriteAllText(file, "");
        var error = Assert.Throws<ExecutorException>(() => NewStore(Options with { Directory = Path.Combine(file, "store") }));
        error.Code.Should().Be(ErrorCode.StorageFailed);
        error.Message.Should().Contain(file);
    }

    private string Save(string name, int size = 10)
    {
        // Random, since squashfs compresses.
        var content = Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(size))[..size];
        return "docker-archive:" + new TestImage(new Layer().File(name, content)).SaveTo(Path.Combine(Scratch, $"{Guid.NewGuid():n}.tar"));
    }

    /// <summary>Counts the images that are made.</summary>
    private sealed class CountingLogger : ILogger
    {
        private int _count;

        public int Count => _count;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id == 3) Interlocked.Increment(ref _count);
        }
    }
}
