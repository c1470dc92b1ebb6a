using System.Diagnostics;
using Ergon.MicroVm.Tests.Conformance;

namespace Ergon.MicroVm.Tests.Guests;

/// <summary>A process with an executor, which can be killed.</summary>
internal static class ExecutorHost
{
    /// <summary>Starts one, which starts some jobs and then says <c>started</c>.</summary>
    public static Process Start(QemuFixture fixture, bool warm, string executorId, string data, params IReadOnlyList<ExecutionRequest> requests)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Ergon.MicroVm.TestProgram")) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true };
        string[] arguments = [warm ? "execute-warm" : "execute", TestGuest.Kernel!, fixture.Options.CacheDirectory!, fixture.Root, executorId, data, .. requests.Select(r => Write(data, r))];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    private static string Write(string data, ExecutionRequest request)
    {
        var file = Path.Combine(data, $"{request.ExecutionId}.request");
        File.WriteAllBytes(file, ErgonJson.SerializeRequest(request));
        return file;
    }
}
