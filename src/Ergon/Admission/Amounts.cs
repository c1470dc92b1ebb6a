namespace Ergon.Admission;

/// <summary>What an execution takes, or what there is; in whole numbers, so that what is taken and given back leaves nothing over.</summary>
internal readonly record struct Amounts(long MilliCpu, long Memory, long Disk, long Gpus, long Executions)
{
    public static Amounts Limit(ResourceLimits limits, int? executions) => new(
        limits.Cpu is { } cpu ? Milli(cpu) : long.MaxValue,
        limits.Memory ?? long.MaxValue,
        limits.Disk ?? long.MaxValue,
        limits.Gpus ?? long.MaxValue,
        executions ?? long.MaxValue);

    public static Amounts Of(Resources resources, ResourceLimits unstated) => new(
        Milli(resources.Cpu ?? unstated.Cpu ?? 0),
        resources.Memory ?? unstated.Memory ?? 0,
        resources.Disk ?? unstated.Disk ?? 0,
        resources.Gpus.Count > 0 ? resources.Gpus.Count : unstated.Gpus ?? 0,
        1);

    public static Amounts operator +(Amounts a, Amounts b) => new(
        a.MilliCpu + b.MilliCpu, a.Memory + b.Memory, a.Disk + b.Disk, a.Gpus + b.Gpus, a.Executions + b.Executions);

    public static Amounts operator -(Amounts a, Amounts b) => new(
        a.MilliCpu - b.MilliCpu, a.Memory - b.Memory, a.Disk - b.Disk, a.Gpus - b.Gpus, a.Executions - b.Executions);

    // An execution that takes nothing of a resource does not wait for it, though more than all of it may be taken by executions that were found again.
    public bool Fits(Amounts taken, Amounts limit) =>
        Fits(MilliCpu, taken.MilliCpu, limit.MilliCpu) && Fits(Memory, taken.Memory, limit.Memory) && Fits(Disk, taken.Disk, limit.Disk)
        && Fits(Gpus, taken.Gpus, limit.Gpus) && Fits(Executions, taken.Executions, limit.Executions);

    private static bool Fits(long wanted, long taken, long limit) => wanted == 0 || wanted <= limit - taken;

    private static long Milli(double cpu) => (long)Math.Ceiling(Math.Round(cpu * 1000, 3));
}
