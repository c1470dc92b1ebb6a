using Ergon.GuestAgent.Tests;
using Ergon.GuestAgent.Tests.Guests;

[assembly: AssemblyFixture(typeof(WorkDirectoryFixture))]

namespace Ergon.GuestAgent.Tests;

/// <summary>Removes what the tests have made.</summary>
public sealed class WorkDirectoryFixture : IDisposable
{
    public void Dispose() => Directory.Delete(TestKernel.WorkDirectory, recursive: true);
}
