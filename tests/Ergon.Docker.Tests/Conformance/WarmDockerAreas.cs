using Ergon.Conformance;

namespace Ergon.Docker.Tests.Conformance;

// The areas in which it could make a difference that a container was there before its job.

public sealed class WarmDockerCancellingTests(WarmDockerFixture fixture) : CancellingConformance(fixture);

public sealed class WarmDockerConcurrencyTests(WarmDockerFixture fixture) : ConcurrencyConformance(fixture);

public sealed class WarmDockerEnvironmentTests(WarmDockerFixture fixture) : EnvironmentConformance(fixture);

public sealed class WarmDockerExecTests(WarmDockerFixture fixture) : ExecConformance(fixture);

public sealed class WarmDockerExitCodeTests(WarmDockerFixture fixture) : ExitCodeConformance(fixture);

public sealed class WarmDockerLimitTests(WarmDockerFixture fixture) : LimitConformance(fixture);

public sealed class WarmDockerLogStreamTests(WarmDockerFixture fixture) : LogStreamConformance(fixture);

public sealed class WarmDockerOutputTests(WarmDockerFixture fixture) : OutputConformance(fixture);

public sealed class WarmDockerPausingTests(WarmDockerFixture fixture) : PausingConformance(fixture);

public sealed class WarmDockerRecoveryTests(WarmDockerFixture fixture) : RecoveryConformance(fixture);

public sealed class WarmDockerRemovalTests(WarmDockerFixture fixture) : RemovalConformance(fixture);

public sealed class WarmDockerSignalTests(WarmDockerFixture fixture) : SignalConformance(fixture);

public sealed class WarmDockerStartingTests(WarmDockerFixture fixture) : StartingConformance(fixture);

public sealed class WarmDockerStatsTests(WarmDockerFixture fixture) : StatsConformance(fixture);

public sealed class WarmDockerStatusAndEventTests(WarmDockerFixture fixture) : StatusAndEventConformance(fixture);

public sealed class WarmDockerSuiteTests(WarmDockerFixture fixture) : SuiteConformance(fixture);

public sealed class WarmDockerTimeoutTests(WarmDockerFixture fixture) : TimeoutConformance(fixture);

public sealed class WarmDockerWaitingTests(WarmDockerFixture fixture) : WaitingConformance(fixture);
