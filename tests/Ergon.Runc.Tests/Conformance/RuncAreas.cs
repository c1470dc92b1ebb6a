using Ergon.Conformance;

namespace Ergon.Runc.Tests.Conformance;

public sealed class RuncCancellingTests(RuncFixture fixture) : CancellingConformance(fixture);

public sealed class RuncConcurrencyTests(RuncFixture fixture) : ConcurrencyConformance(fixture);

public sealed class RuncEnvironmentTests(RuncFixture fixture) : EnvironmentConformance(fixture);

public sealed class RuncExecTests(RuncFixture fixture) : ExecConformance(fixture);

public sealed class RuncExitCodeTests(RuncFixture fixture) : ExitCodeConformance(fixture);

public sealed class RuncLimitTests(RuncFixture fixture) : LimitConformance(fixture);

public sealed class RuncLogStreamTests(RuncFixture fixture) : LogStreamConformance(fixture);

public sealed class RuncNetworkTests(RuncFixture fixture) : NetworkConformance(fixture);

public sealed class RuncOutputTests(RuncFixture fixture) : OutputConformance(fixture);

public sealed class RuncPausingTests(RuncFixture fixture) : PausingConformance(fixture);

public sealed class RuncProvisioningTests(RuncFixture fixture) : ProvisioningConformance(fixture);

public sealed class RuncRecoveryTests(RuncFixture fixture) : RecoveryConformance(fixture);

public sealed class RuncRefusalTests(RuncFixture fixture) : RefusalConformance(fixture);

public sealed class RuncRemovalTests(RuncFixture fixture) : RemovalConformance(fixture);

public sealed class RuncSignalTests(RuncFixture fixture) : SignalConformance(fixture);

public sealed class RuncStartingTests(RuncFixture fixture) : StartingConformance(fixture);

public sealed class RuncStatsTests(RuncFixture fixture) : StatsConformance(fixture);

public sealed class RuncStatusAndEventTests(RuncFixture fixture) : StatusAndEventConformance(fixture);

public sealed class RuncSuiteTests(RuncFixture fixture) : SuiteConformance(fixture);

public sealed class RuncTimeoutTests(RuncFixture fixture) : TimeoutConformance(fixture);

public sealed class RuncUnknownIdTests(RuncFixture fixture) : UnknownIdConformance(fixture);

public sealed class RuncVolumeTests(RuncFixture fixture) : VolumeConformance(fixture);

public sealed class RuncWaitingTests(RuncFixture fixture) : WaitingConformance(fixture);
