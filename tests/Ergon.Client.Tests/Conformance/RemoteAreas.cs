using Ergon.Conformance;

namespace Ergon.Client.Tests.Conformance;

public sealed class RemoteCancellingTests(RemoteFixture fixture) : CancellingConformance(fixture);

public sealed class RemoteConcurrencyTests(RemoteFixture fixture) : ConcurrencyConformance(fixture);

public sealed class RemoteEnvironmentTests(RemoteFixture fixture) : EnvironmentConformance(fixture);

public sealed class RemoteExecTests(RemoteFixture fixture) : ExecConformance(fixture);

public sealed class RemoteExitCodeTests(RemoteFixture fixture) : ExitCodeConformance(fixture);

public sealed class RemoteLimitTests : LimitConformance
{
    public RemoteLimitTests(RemoteFixture fixture)
        : base(fixture) => Assert.SkipUnless(Can.MemoryLimit, "Without cgroups the limits are weaker ones; the tests of that are not the suite's.");
}

public sealed class RemoteLogStreamTests(RemoteFixture fixture) : LogStreamConformance(fixture);

public sealed class RemoteNetworkTests(RemoteFixture fixture) : NetworkConformance(fixture);

public sealed class RemoteOutputTests(RemoteFixture fixture) : OutputConformance(fixture);

public sealed class RemotePausingTests(RemoteFixture fixture) : PausingConformance(fixture);

public sealed class RemoteProvisioningTests(RemoteFixture fixture) : ProvisioningConformance(fixture);

public sealed class RemoteRecoveryTests(RemoteFixture fixture) : RecoveryConformance(fixture);

public sealed class RemoteRefusalTests(RemoteFixture fixture) : RefusalConformance(fixture);

public sealed class RemoteRemovalTests(RemoteFixture fixture) : RemovalConformance(fixture);

public sealed class RemoteSignalTests(RemoteFixture fixture) : SignalConformance(fixture);

public sealed class RemoteStartingTests(RemoteFixture fixture) : StartingConformance(fixture);

public sealed class RemoteStatsTests(RemoteFixture fixture) : StatsConformance(fixture);

public sealed class RemoteStatusAndEventTests(RemoteFixture fixture) : StatusAndEventConformance(fixture);

public sealed class RemoteSuiteTests(RemoteFixture fixture) : SuiteConformance(fixture);

public sealed class RemoteTimeoutTests(RemoteFixture fixture) : TimeoutConformance(fixture);

public sealed class RemoteUnknownIdTests(RemoteFixture fixture) : UnknownIdConformance(fixture);

public sealed class RemoteVolumeTests : VolumeConformance
{
    public RemoteVolumeTests(RemoteFixture fixture)
        : base(fixture) => Assert.SkipUnless(Can.FileSystemIsolation, "Without a sandbox nothing can be mounted at another path.");
}

public sealed class RemoteWaitingTests(RemoteFixture fixture) : WaitingConformance(fixture);
