using Ergon.Conformance;

namespace Ergon.Tests.Conformance;

public sealed class InMemoryCancellingTests(InMemoryFixture fixture) : CancellingConformance(fixture);

public sealed class InMemoryConcurrencyTests(InMemoryFixture fixture) : ConcurrencyConformance(fixture);

public sealed class InMemoryEnvironmentTests(InMemoryFixture fixture) : EnvironmentConformance(fixture);

public sealed class InMemoryExecTests(InMemoryFixture fixture) : ExecConformance(fixture);

public sealed class InMemoryExitCodeTests(InMemoryFixture fixture) : ExitCodeConformance(fixture);

public sealed class InMemoryLimitTests(InMemoryFixture fixture) : LimitConformance(fixture);

public sealed class InMemoryLogStreamTests(InMemoryFixture fixture) : LogStreamConformance(fixture);

public sealed class InMemoryNetworkTests(InMemoryFixture fixture) : NetworkConformance(fixture);

public sealed class InMemoryOutputTests(InMemoryFixture fixture) : OutputConformance(fixture);

public sealed class InMemoryPausingTests(InMemoryFixture fixture) : PausingConformance(fixture);

public sealed class InMemoryProvisioningTests(InMemoryFixture fixture) : ProvisioningConformance(fixture);

public sealed class InMemoryRecoveryTests(InMemoryFixture fixture) : RecoveryConformance(fixture);

public sealed class InMemoryRefusalTests(InMemoryFixture fixture) : RefusalConformance(fixture);

public sealed class InMemoryRemovalTests(InMemoryFixture fixture) : RemovalConformance(fixture);

public sealed class InMemorySignalTests(InMemoryFixture fixture) : SignalConformance(fixture);

public sealed class InMemoryStartingTests(InMemoryFixture fixture) : StartingConformance(fixture);

public sealed class InMemoryStatsTests(InMemoryFixture fixture) : StatsConformance(fixture);

public sealed class InMemoryStatusAndEventTests(InMemoryFixture fixture) : StatusAndEventConformance(fixture);

public sealed class InMemorySuiteTests(InMemoryFixture fixture) : SuiteConformance(fixture);

public sealed class InMemoryTimeoutTests(InMemoryFixture fixture) : TimeoutConformance(fixture);

public sealed class InMemoryUnknownIdTests(InMemoryFixture fixture) : UnknownIdConformance(fixture);

public sealed class InMemoryVolumeTests(InMemoryFixture fixture) : VolumeConformance(fixture);

public sealed class InMemoryWaitingTests(InMemoryFixture fixture) : WaitingConformance(fixture);
