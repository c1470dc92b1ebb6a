using Ergon.Conformance;

namespace Ergon.Process.Tests.Conformance;

public sealed class ProcessCancellingTests(ProcessFixture fixture) : CancellingConformance(fixture);

public sealed class ProcessConcurrencyTests(ProcessFixture fixture) : ConcurrencyConformance(fixture);

public sealed class ProcessEnvironmentTests(ProcessFixture fixture) : EnvironmentConformance(fixture);

public sealed class ProcessExecTests(ProcessFixture fixture) : ExecConformance(fixture);

public sealed class ProcessExitCodeTests(ProcessFixture fixture) : ExitCodeConformance(fixture);

public sealed class ProcessLimitTests : LimitConformance
{
    public ProcessLimitTests(ProcessFixture fixture)
        : base(fixture) => Assert.SkipUnless(Can.MemoryLimit, "Without cgroups the limits are weaker ones; the tests of that are not the suite's.");
}

public sealed class ProcessLogStreamTests(ProcessFixture fixture) : LogStreamConformance(fixture);

public sealed class ProcessNetworkTests(ProcessFixture fixture) : NetworkConformance(fixture);

public sealed class ProcessOutputTests(ProcessFixture fixture) : OutputConformance(fixture);

public sealed class ProcessPausingTests(ProcessFixture fixture) : PausingConformance(fixture);

public sealed class ProcessProvisioningTests(ProcessFixture fixture) : ProvisioningConformance(fixture);

public sealed class ProcessRecoveryTests(ProcessFixture fixture) : RecoveryConformance(fixture);

public sealed class ProcessRefusalTests(ProcessFixture fixture) : RefusalConformance(fixture);

public sealed class ProcessRemovalTests(ProcessFixture fixture) : RemovalConformance(fixture);

public sealed class ProcessSignalTests(ProcessFixture fixture) : SignalConformance(fixture);

public sealed class ProcessStartingTests(ProcessFixture fixture) : StartingConformance(fixture);

public sealed class ProcessStatsTests(ProcessFixture fixture) : StatsConformance(fixture);

public sealed class ProcessStatusAndEventTests(ProcessFixture fixture) : StatusAndEventConformance(fixture);

public sealed class ProcessSuiteTests(ProcessFixture fixture) : SuiteConformance(fixture);

public sealed class ProcessTimeoutTests(ProcessFixture fixture) : TimeoutConformance(fixture);

public sealed class ProcessUnknownIdTests(ProcessFixture fixture) : UnknownIdConformance(fixture);

public sealed class ProcessVolumeTests : VolumeConformance
{
    public ProcessVolumeTests(ProcessFixture fixture)
        : base(fixture) => Assert.SkipUnless(Can.FileSystemIsolation, "Without a sandbox nothing can be mounted at another path.");
}

public sealed class ProcessWaitingTests(ProcessFixture fixture) : WaitingConformance(fixture);
