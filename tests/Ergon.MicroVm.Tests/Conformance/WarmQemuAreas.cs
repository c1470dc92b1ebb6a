using Ergon.Conformance;

namespace Ergon.MicroVm.Tests.Conformance;

public sealed class WarmQemuCancellingTests(WarmQemuFixture fixture) : CancellingConformance(fixture);

public sealed class WarmQemuConcurrencyTests(WarmQemuFixture fixture) : ConcurrencyConformance(fixture);

public sealed class WarmQemuEnvironmentTests(WarmQemuFixture fixture) : EnvironmentConformance(fixture);

public sealed class WarmQemuExecTests(WarmQemuFixture fixture) : ExecConformance(fixture);

public sealed class WarmQemuExitCodeTests(WarmQemuFixture fixture) : ExitCodeConformance(fixture);

public sealed class WarmQemuLimitTests(WarmQemuFixture fixture) : LimitConformance(fixture);

public sealed class WarmQemuLogStreamTests(WarmQemuFixture fixture) : LogStreamConformance(fixture);

public sealed class WarmQemuNetworkTests(WarmQemuFixture fixture) : NetworkConformance(fixture);

public sealed class WarmQemuOutputTests(WarmQemuFixture fixture) : OutputConformance(fixture);

public sealed class WarmQemuPausingTests(WarmQemuFixture fixture) : PausingConformance(fixture);

public sealed class WarmQemuProvisioningTests(WarmQemuFixture fixture) : ProvisioningConformance(fixture);

public sealed class WarmQemuRecoveryTests(WarmQemuFixture fixture) : RecoveryConformance(fixture);

public sealed class WarmQemuRefusalTests(WarmQemuFixture fixture) : RefusalConformance(fixture);

public sealed class WarmQemuRemovalTests(WarmQemuFixture fixture) : RemovalConformance(fixture);

public sealed class WarmQemuSignalTests(WarmQemuFixture fixture) : SignalConformance(fixture);

public sealed class WarmQemuStartingTests(WarmQemuFixture fixture) : StartingConformance(fixture);

public sealed class WarmQemuStatsTests(WarmQemuFixture fixture) : StatsConformance(fixture);

public sealed class WarmQemuStatusAndEventTests(WarmQemuFixture fixture) : StatusAndEventConformance(fixture);

public sealed class WarmQemuSuiteTests(WarmQemuFixture fixture) : SuiteConformance(fixture);

public sealed class WarmQemuTimeoutTests(WarmQemuFixture fixture) : TimeoutConformance(fixture);

public sealed class WarmQemuUnknownIdTests(WarmQemuFixture fixture) : UnknownIdConformance(fixture);

public sealed class WarmQemuVolumeTests(WarmQemuFixture fixture) : VolumeConformance(fixture);

public sealed class WarmQemuWaitingTests(WarmQemuFixture fixture) : WaitingConformance(fixture);
