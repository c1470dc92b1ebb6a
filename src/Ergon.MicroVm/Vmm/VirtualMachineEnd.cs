namespace Ergon.MicroVm.Vmm;

/// <summary>How a machine is ended from here.</summary>
internal static class VirtualMachineEnd
{
    /// <summary>Kills its process, lets go of it, and returns what it wrote to its own error output.</summary>
    public static async Task<string> EndAsync(this IVirtualMachine machine)
    {
        machine.Kill();
        var end = await machine.Ended;
        await machine.DisposeAsync();
        return end.Errors;
    }
}
