using Ergon.Conformance;

namespace Ergon.MicroVm.Tests.Conformance;

public sealed class QemuCancellingTests(QemuFixture fixture) : CancellingConformance(fixture);

public sealed class QemuConcurrencyTests(QemuFixture fixture) : ConcurrencyConformance(fixture);

public sealed class QemuEnvironmentTests(QemuFixture fixture) : EnvironmentConformance(fixture);

public sealed class QemuExecTests(QemuFixture fixture) : ExecConformance(fixture);

public sealed class QemuExitCodeTests(QemuFixture fixture) : ExitCodeConformance(fixture);

public sealed class QemuLimitTests(QemuFixture fixture) : LimitConformance(fixture);

public sealed class QemuLogStreamTests(QemuFixture fixture) : LogStreamConformance(fixture);

public sealed class QemuNetworkTests(QemuFixture fixture) : NetworkConformance(fixture);

public sealed class QemuOutputTests(QemuFixture fixture) : OutputConformance(fixture);

public sealed class QemuPausingTests(QemuFixture fixture) : PausingConformance(fixture);

public sealed class QemuProvisioningTests(QemuFixture fixture) : ProvisioningConformance(fixture);

public sealed class QemuRecoveryTests(QemuFixture fixture) : RecoveryConformance(fixture);

public sealed class QemuRefusalTests(QemuFixture fixture) : RefusalConformance(fixture);

public sealed class QemuRemovalTests(QemuFixture fixture) : RemovalConformance(fixture);

public sealed class QemuSignalTests(QemuFixture fixture) : SignalConformance(fixture);

public sealed class QemuStartingTests(QemuFixture fixture) : StartingConformance(fixture);

public sealed class QemuStatsTests(QemuFixture fixture) : StatsConformance(fixture);

public sealed class QemuStatusAndEventTests(QemuFixture fixture) : StatusAndEventConformance(fixture);

public sealed class QemuSuiteTests(QemuFixture fixture) : SuiteConformance(fixture);

public sealed class QemuTimeoutTests(QemuFixture fixture) : TimeoutConformance(fixture);

public sealed class QemuUnknownIdTests(QemuFixture fixture) : UnknownIdConformance(fixture);

public sealed class QemuVolumeTests(QemuFixture fixture) : VolumeConformance(fixture);

public sealed class QemuWaitingTests(QemuFixture fixture) : WaitingConformance(fixture);
