using System.Globalization;

namespace Ergon.Daemon;

/// <summary>Where a page of a list ended: lists are ordered by the time of creation, then by id.</summary>
internal readonly record struct PageToken(long Ticks, string Id)
{
    public static PageToken After(ExecutionInfo info) => new(info.CreatedAt.UtcTicks, info.ExecutionId.Value);

    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: it is no token of ours.</exception>
    public static PageToken Parse(string text)
    {
        var split = text.IndexOf('-', StringComparison.Ordinal);
        if (split > 0 && long.TryParse(text.AsSpan(0, split), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var ticks))
            return new PageToken(ticks, text[(split + 1)..]);
        throw new ExecutorException([new RequestProblem("page_token", "is not the token of a page; give what the page before said.")], null);
    }

    public bool IsBefore(ExecutionInfo info) =>
        info.CreatedAt.UtcTicks > Ticks || (info.CreatedAt.UtcTicks == Ticks && string.CompareOrdinal(info.ExecutionId.Value, Id) > 0);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Ticks:x}-{Id}");
}
