using System.CommandLine;
using Ergon.MicroVm;

namespace Ergon.Cli;

/// <summary><c>ergon vm setup</c>: fetches what virtual machines need and nothing brings by itself.</summary>
internal static class VmCommand
{
    public static Command Create()
    {
        var setup = new Command("setup", "Fetches a kernel for guests with the package manager, without installing it.");
        setup.SetAction((_, token) => SetUpAsync(token));
        return new Command("vm", "Prepares this machine for the executors qemu and firecracker.") { setup };
    }

    private static async Task<int> SetUpAsync(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux())
        {
            await Console.Error.WriteLineAsync("ergon: Virtual machines need Linux.");
            return ExitCodes.ErgonFailed;
        }

        try
        {
            Console.WriteLine(await GuestKernel.FetchAsync(cancellationToken: cancellationToken));
            return 0;
        }
        catch (ExecutorException e)
        {
            await Console.Error.WriteLineAsync($"ergon: {e.Message}");
            return ExitCodes.ErgonFailed;
        }
    }
}
