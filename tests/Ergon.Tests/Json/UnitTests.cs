using CsCheck;

namespace Ergon.Tests.Json;

/// <summary>Sizes, durations and near names.</summary>
public sealed class UnitTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("1b", 1)]
    [InlineData("1K", 1024)]
    [InlineData("512KiB", 512 << 10)]
    [InlineData("256m", 256 << 20)]
    [InlineData("256 MB", 256 << 20)]
    [InlineData("1.5g", 3L << 29)]
    [InlineData("0.0001k", 0)]
    [InlineData("2t", 2L << 40)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void A_size_is_read(string text, long bytes) => ByteSize.Parse(text).Should().Be(bytes);

    [Theory]
    [InlineData("")]
    [InlineData("m")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1e3")]
    [InlineData("1,5g")]
    [InlineData(".5g")]
    [InlineData("5.g")]
    [InlineData("1bb")]
    [InlineData("1bib")]
    [InlineData("1x")]
    [InlineData("1 ")]
    [InlineData(" 1")]
    [InlineData("1  k")]
    [InlineData("٣")]
    [InlineData("8388608t")]
    [InlineData("9223372036854775808")]
    [InlineData("99999999999999999999999999999999999999999")]
    public void What_is_not_a_size_is_refused(string text) => ByteSize.TryParse(text, out _).Should().BeFalse();

    [Fact]
    public void A_size_is_read_as_it_was_written() => Gen.Long[0, long.MaxValue].Sample(bytes => ByteSize.Parse(ByteSize.Format(bytes)) == bytes);

    [Theory]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData("30s", 300_000_000)]
    [InlineData("1m30s", 900_000_000)]
    [InlineData("1.5h", 54_000_000_000)]
    [InlineData("1d1h", 900_000_000_000)]
    [InlineData("500ms", 5_000_000)]
    [InlineData("1us", 10)]
    [InlineData("1µs", 10)]
    [InlineData("1ns", 1)]
    [InlineData("101ns", 2)]
    public void A_duration_is_read(string text, long ticks) => Duration.Parse(text).Ticks.Should().Be(ticks);

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("s")]
    [InlineData("-1s")]
    [InlineData("1 s")]
    [InlineData("1S")]
    [InlineData("1w")]
    [InlineData("1s ")]
    [InlineData("1s30")]
    [InlineData("00")]
    [InlineData("1e3s")]
    [InlineData("99999999999d")]
    [InlineData("10675199d24h")]
    public void What_is_not_a_duration_is_refused(string text) => Duration.TryParse(text, out _).Should().BeFalse();

    [Fact]
    public void A_duration_is_read_as_it_was_written() => Gen.Long[0, long.MaxValue].Select(TimeSpan.FromTicks)
        .Sample(duration => Duration.Parse(Duration.Format(duration)) == duration);

    [Fact]
    public void What_looks_like_a_size_or_a_duration_is_one_or_none() => Gen.Char["0195.kmgnsuhd iB-+e"].Array[0, 12].Select(c => new string(c)).Sample(text =>
        (!ByteSize.TryParse(text, out var bytes) || bytes >= 0) && (!Duration.TryParse(text, out var duration) || duration >= TimeSpan.Zero));

    [Theory]
    [InlineData("imgae", "image")]
    [InlineData("IMAGE", "image")]
    [InlineData("workingDirectory", "working_directory")]
    [InlineData("working-dir", null)]
    [InlineData("entripoint", "entrypoint")]
    [InlineData("x", null)]
    [InlineData("", null)]
    public void The_nearest_name_is_found_if_one_is_near(string written, string? nearest) =>
        NearestName.Find(written, ["image", "entrypoint", "working_directory"]).Should().Be(nearest);

    [Fact]
    public void Looking_for_the_nearest_of_a_very_long_name_takes_no_time() =>
        NearestName.Explain(new string('a', 1_000_000), ["image", "cmd"]).Should().Be("known are image, cmd");
}
