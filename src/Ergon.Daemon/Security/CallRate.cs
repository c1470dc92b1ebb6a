using System.Collections.Concurrent;

namespace Ergon.Daemon.Security;

/// <summary>
/// How often each caller may call: a bucket of tokens for each, filled up when it is next asked, so that a daemon that nobody calls does nothing.
/// </summary>
internal sealed class CallRate(int perSecond, int burst, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, Bucket> _buckets = new(StringComparer.Ordinal);

    /// <summary>Takes a token, if there is one.</summary>
    public bool TryTake(string caller)
    {
        var bucket = _buckets.GetOrAdd(caller, static (_, self) => new Bucket(self.Now, self.Burst), (Now: time.GetTimestamp(), Burst: (double)burst));
        lock (bucket)
        {
            var now = time.GetTimestamp();
            bucket.Tokens = Math.Min(burst, bucket.Tokens + (time.GetElapsedTime(bucket.At, now).TotalSeconds * perSecond));
            bucket.At = now;
            if (bucket.Tokens < 1) return false;
            bucket.Tokens--;
            return true;
        }
    }

    private sealed class Bucket(long at, double tokens)
    {
        public long At { get; set; } = at;

        public double Tokens { get; set; } = tokens;
    }
}
