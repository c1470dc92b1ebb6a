using Ergon.Conformance;

namespace Ergon.Firecracker.Tests.Conformance;

public sealed class WarmFirecrackerCancellingTests(WarmFirecrackerFixture fixture) : CancellingConformance(fixture);

public sealed class WarmFirecrackerConcurrencyTests(WarmFirecrackerFixture fixture) : ConcurrencyConformance(fixture);

public sealed class WarmFirecrackerEnvironmentTests(WarmFirecrackerFixture fixture) : EnvironmentConformance(fixture);

public sealed class WarmFirecrackerExecTests(WarmFirecrackerFixture fixture) : ExecConformance(fixture);

public sealed class WarmFirecrackerExitCodeTests(WarmFirecrackerFixture fixture) : ExitCodeConformance(fixture);

public sealed class WarmFirecrackerLimitTests(WarmFirecrackerFixture fixture) : LimitConformance(fixture);

public sealed class WarmFirecrackerLogStreamTests(WarmFirecrackerFixture fixture) : LogStreamConformance(fixture);

public sealed class WarmFirecrackerNetworkTests(WarmFirecrackerFixture fixture) : NetworkConformance(fixture);

public sealed class WarmFirecrackerOutputTests(WarmFirecrackerFixture fixture) : OutputConformance(fixture);

public sealed class WarmFirecrackerPausingTests(WarmFirecrackerFixture fixture) : PausingConformance(fixture);

public sealed class WarmFirecrackerProvisioningTests(WarmFirecrackerFixture fixture) : ProvisioningConformance(fixture);

public sealed class WarmFirecrackerRecoveryTests(WarmFirecrackerFixture fixture) : RecoveryConformance(fixture);

public sealed class WarmFirecrackerRefusalTests(WarmFirecrackerFixture fixture) : RefusalConformance(fixture);

public sealed class WarmFirecrackerRemovalTests(WarmFirecrackerFixture fixture) : RemovalConformance(fixture);

public sealed class WarmFirecrackerSignalTests(WarmFirecrackerFixture fixture) : SignalConformance(fixture);

public sealed class WarmFirecrackerStartingTests(WarmFirecrackerFixture fixture) : StartingConformance(fixture);

public sealed class WarmFirecrackerStatsTests(WarmFirecrackerFixture fixture) : StatsConformance(fixture);

public sealed class WarmFirecrackerStatusAndEventTests(WarmFirecrackerFixture fixture) : StatusAndEventConformance(fixture);

public sealed class WarmFirecrackerSuiteTests(WarmFirecrackerFixture fixture) : SuiteConformance(fixture);

public sealed class WarmFirecrackerTimeoutTests(WarmFirecrackerFixture fixture) : TimeoutConformance(fixture);

public sealed class WarmFirecrackerUnknownIdTests(WarmFirecrackerFixture fixture) : UnknownIdConformance(fixture);

public sealed class WarmFirecrackerVolumeTests(WarmFirecrackerFixture fixture) : VolumeConformance(fixture);

public sealed class WarmFirecrackerWaitingTests(WarmFirecrackerFixture fixture) : WaitingConformance(fixture);
