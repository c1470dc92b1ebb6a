using System.Net;
using Ergon.Networks;

namespace Ergon.MicroVm.Tests.Network;

public sealed class AddressRangeTests
{
    [Theory]
    [InlineData("10.201.0.0/16", "10.201.4.4/30", true)]
    [InlineData("10.201.4.4/30", "10.201.0.0/16", true)]
    [InlineData("10.201.4.0/30", "10.201.4.4/30", false)]
    [InlineData("0.0.0.0/0", "192.0.2.0/24", true)]
    [InlineData("10.201.0.0/16", "10.202.0.0/16", false)]
    public void Two_ranges_overlap_when_they_have_an_address_in_common(string one, string other, bool overlap) =>
        AddressRange.Parse(one).Overlaps(AddressRange.Parse(other)).Should().Be(overlap);

    [Theory]
    [InlineData("10.201.0.0")]
    [InlineData("10.201.0.0/33")]
    [InlineData("fd00::/64")]
    [InlineData("")]
    [InlineData(null)]
    public void What_is_no_range_of_ipv4_addresses_is_refused(string? text) => AddressRange.TryParse(text, out _).Should().BeFalse();

    [Fact]
    public void Addresses_and_numbers_stand_for_each_other()
    {
        AddressRange.Number(IPAddress.Parse("10.201.0.2")).Should().Be(0x0AC90002);
        AddressRange.Address(0x0AC90002).Should().Be(IPAddress.Parse("10.201.0.2"));
        AddressRange.Parse("10.201.7.1/16").ToString().Should().Be("10.201.0.0/16");
    }
}
