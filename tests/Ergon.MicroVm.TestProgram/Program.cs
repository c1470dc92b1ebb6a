// Does what the tests ask for inside a network namespace of their choice, as a process of its own that can be killed.
using Ergon.MicroVm.Network;

return args switch
{
    ["range", var text] => AddressRange.TryParse(text, out _) ? 0 : 1,
    _ => 64,
};
