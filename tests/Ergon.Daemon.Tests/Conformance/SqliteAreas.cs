using Ergon.Conformance;

namespace Ergon.Daemon.Tests.Conformance;

public sealed class SqliteCancellingTests(SqliteFixture fixture) : CancellingConformance(fixture);

public sealed class SqliteConcurrencyTests(SqliteFixture fixture) : ConcurrencyConformance(fixture);

public sealed class SqliteEnvironmentTests(SqliteFixture fixture) : EnvironmentConformance(fixture);

public sealed class SqliteExecTests(SqliteFixture fixture) : ExecConformance(fixture);

public sealed class SqliteExitCodeTests(SqliteFixture fixture) : ExitCodeConformance(fixture);

public sealed class SqliteLimitTests(SqliteFixture fixture) : LimitConformance(fixture);

public sealed class SqliteLogStreamTests(SqliteFixture fixture) : LogStreamConformance(fixture);

public sealed class SqliteNetworkTests(SqliteFixture fixture) : NetworkConformance(fixture);

public sealed class SqliteOutputTests(SqliteFixture fixture) : OutputConformance(fixture);

public sealed class SqlitePausingTests(SqliteFixture fixture) : PausingConformance(fixture);

public sealed class SqliteProvisioningTests(SqliteFixture fixture) : ProvisioningConformance(fixture);

public sealed class SqliteRecoveryTests(SqliteFixture fixture) : RecoveryConformance(fixture);

public sealed class SqliteRefusalTests(SqliteFixture fixture) : RefusalConformance(fixture);

public sealed class SqliteRemovalTests(SqliteFixture fixture) : RemovalConformance(fixture);

public sealed class SqliteSignalTests(SqliteFixture fixture) : SignalConformance(fixture);

public sealed class SqliteStartingTests(SqliteFixture fixture) : StartingConformance(fixture);

public sealed class SqliteStatsTests(SqliteFixture fixture) : StatsConformance(fixture);

public sealed class SqliteStatusAndEventTests(SqliteFixture fixture) : StatusAndEventConformance(fixture);

public sealed class SqliteSuiteTests(SqliteFixture fixture) : SuiteConformance(fixture);

public sealed class SqliteTimeoutTests(SqliteFixture fixture) : TimeoutConformance(fixture);

public sealed class SqliteUnknownIdTests(SqliteFixture fixture) : UnknownIdConformance(fixture);

public sealed class SqliteVolumeTests(SqliteFixture fixture) : VolumeConformance(fixture);

public sealed class SqliteWaitingTests(SqliteFixture fixture) : WaitingConformance(fixture);
