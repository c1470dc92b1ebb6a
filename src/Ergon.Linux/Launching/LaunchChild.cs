using System.Runtime.InteropServices;

namespace Ergon.Linux;

/// <summary>What the child of a divided launch is given; the same as in <c>launch-child.c</c>.</summary>
internal unsafe struct LaunchChildState
{
    public LaunchStep* Steps;
    public long First;
    public long End;
    public int* FailedStep;
    public int* Errno;
    public long* Slots;
    public nint PosixSpawn;
    public long WaitId;
    public long FileAccess;
}

/// <summary>The code that the child of a divided launch executes.</summary>
/// <remarks>
/// The child shares this program's memory, but is no thread of it: managed code in it could be held up by a collection that never ends,
/// because this program was killed in the middle of it. So it is machine code, compiled from <c>launch-child.c</c> beside this file.
/// </remarks>
internal static unsafe class LaunchChild
{
    private const int ReadAndWrite = 3;
    private const int ReadAndExecute = 5;
    private const int PrivateAndAnonymous = 0x22;

    private static readonly byte[] MachineCode = Convert.FromHexString(
        "4157415641554154554889fd534883ec384c8b77084c3975100f8e990100004d6be64831c04c036500490fbe54044084d27907498b54c418eb08488b4d28488b" +
        "14d1488954c40848ffc04883f80575d9418b04244c8b6c240885c0753a49634424044c8b5424204c8b442428488b542418488b742410488b7c24080f054889c2" +
        "4883f8fc74d7483d01f0ffff0f820d010000e9ca000000ffc80f8591000000bb0200000049c7c79cffffff498b75004885f60f84c400000031c04531d24531c0" +
        "4c89ff89442404ba01000000488b45400f054885c0740548f7d8eb314c8b4c24284c8b442420488d7c2404488b4c2418488b542410498b7500ff553048984885" +
        "c0750a4863542404e9920000004883f802740e4883f81474084883f80d7405eb434889d84983c5084889c3e97bffffff4c8b4c2410488b4538488b54241041ba" +
        "040000004531c0488b742408bf010000000f054889c24883f8fc74d94885c0740848f7d84889c3eb134183790801bb0500000075074183791800742349634424" +
        "0c4839d8742a49634424104839d87420488b45208918488b4518448930eb19496344240885c07808488b4d28488914c149ffc6e95dfeffff4883c43831c05b5d" +
        "415c415d415e415fc3");

    /// <summary>Where the code lies; 0 when there is none for this processor, or this system lets no program make code.</summary>
    public static nint Code { get; } = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? Load() : 0;

    private static nint Load()
    {
        var size = (nuint)MachineCode.Length;
        var memory = Libc.MapMemory(0, size, ReadAndWrite, PrivateAndAnonymous, -1, 0);
        if (memory == -1) return 0;
        MachineCode.CopyTo(new Span<byte>((void*)memory, MachineCode.Length));
        if (Libc.ProtectMemory(memory, size, ReadAndExecute) == 0) return memory;
        _ = Libc.UnmapMemory(memory, size);
        return 0;
    }
}
