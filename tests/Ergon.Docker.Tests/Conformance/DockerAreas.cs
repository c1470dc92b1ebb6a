using Ergon.Conformance;

namespace Ergon.Docker.Tests.Conformance;

public sealed class DockerCancellingTests(DockerFixture fixture) : CancellingConformance(fixture);

public sealed class DockerConcurrencyTests(DockerFixture fixture) : ConcurrencyConformance(fixture);

public sealed class DockerEnvironmentTests(DockerFixture fixture) : EnvironmentConformance(fixture);

public sealed class DockerExecTests(DockerFixture fixture) : ExecConformance(fixture);

public sealed class DockerExitCodeTests(DockerFixture fixture) : ExitCodeConformance(fixture);

public sealed class DockerLimitTests(DockerFixture fixture) : LimitConformance(fixture);

public sealed class DockerLogStreamTests(DockerFixture fixture) : LogStreamConformance(fixture);

public sealed class DockerNetworkTests(DockerFixture fixture) : NetworkConformance(fixture);

public sealed class DockerOutputTests(DockerFixture fixture) : OutputConformance(fixture);

public sealed class DockerPausingTests(DockerFixture fixture) : PausingConformance(fixture);

public sealed class DockerProvisioningTests(DockerFixture fixture) : ProvisioningConformance(fixture);

public sealed class DockerRecoveryTests(DockerFixture fixture) : RecoveryConformance(fixture);

public sealed class DockerRefusalTests(DockerFixture fixture) : RefusalConformance(fixture);

public sealed class DockerRemovalTests(DockerFixture fixture) : RemovalConformance(fixture);

public sealed class DockerSignalTests(DockerFixture fixture) : SignalConformance(fixture);

public sealed class DockerStartingTests(DockerFixture fixture) : StartingConformance(fixture);

public sealed class DockerStatsTests(DockerFixture fixture) : StatsConformance(fixture);

public sealed class DockerStatusAndEventTests(DockerFixture fixture) : StatusAndEventConformance(fixture);

public sealed class DockerSuiteTests(DockerFixture fixture) : SuiteConformance(fixture);

public sealed class DockerTimeoutTests(DockerFixture fixture) : TimeoutConformance(fixture);

public sealed class DockerUnknownIdTests(DockerFixture fixture) : UnknownIdConformance(fixture);

public sealed class DockerVolumeTests(DockerFixture fixture) : VolumeConformance(fixture);

public sealed class DockerWaitingTests(DockerFixture fixture) : WaitingConformance(fixture);
