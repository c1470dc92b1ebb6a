using Ergon.Conformance;

namespace Ergon.Firecracker.Tests.Conformance;

public sealed class FirecrackerCancellingTests(FirecrackerFixture fixture) : CancellingConformance(fixture);

public sealed class FirecrackerConcurrencyTests(FirecrackerFixture fixture) : ConcurrencyConformance(fixture);

public sealed class FirecrackerEnvironmentTests(FirecrackerFixture fixture) : EnvironmentConformance(fixture);

public sealed class FirecrackerExecTests(FirecrackerFixture fixture) : ExecConformance(fixture);

public sealed class FirecrackerExitCodeTests(FirecrackerFixture fixture) : ExitCodeConformance(fixture);

public sealed class FirecrackerLimitTests(FirecrackerFixture fixture) : LimitConformance(fixture);

public sealed class FirecrackerLogStreamTests(FirecrackerFixture fixture) : LogStreamConformance(fixture);

public sealed class FirecrackerNetworkTests(FirecrackerFixture fixture) : NetworkConformance(fixture);

public sealed class FirecrackerOutputTests(FirecrackerFixture fixture) : OutputConformance(fixture);

public sealed class FirecrackerPausingTests(FirecrackerFixture fixture) : PausingConformance(fixture);

public sealed class FirecrackerProvisioningTests(FirecrackerFixture fixture) : ProvisioningConformance(fixture);

public sealed class FirecrackerRecoveryTests(FirecrackerFixture fixture) : RecoveryConformance(fixture);

public sealed class FirecrackerRefusalTests(FirecrackerFixture fixture) : RefusalConformance(fixture);

public sealed class FirecrackerRemovalTests(FirecrackerFixture fixture) : RemovalConformance(fixture);

public sealed class FirecrackerSignalTests(FirecrackerFixture fixture) : SignalConformance(fixture);

public sealed class FirecrackerStartingTests(FirecrackerFixture fixture) : StartingConformance(fixture);

public sealed class FirecrackerStatsTests(FirecrackerFixture fixture) : StatsConformance(fixture);

public sealed class FirecrackerStatusAndEventTests(FirecrackerFixture fixture) : StatusAndEventConformance(fixture);

public sealed class FirecrackerSuiteTests(FirecrackerFixture fixture) : SuiteConformance(fixture);

public sealed class FirecrackerTimeoutTests(FirecrackerFixture fixture) : TimeoutConformance(fixture);

public sealed class FirecrackerUnknownIdTests(FirecrackerFixture fixture) : UnknownIdConformance(fixture);

public sealed class FirecrackerVolumeTests(FirecrackerFixture fixture) : VolumeConformance(fixture);

public sealed class FirecrackerWaitingTests(FirecrackerFixture fixture) : WaitingConformance(fixture);
