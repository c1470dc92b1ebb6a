using System.Runtime.Versioning;
using Ergon.Runc.Containers;

namespace Ergon.Runc.Tests;

/// <summary>The copies of runc from which containers are started.</summary>
[SupportedOSPlatform("linux")]
public sealed class SealedRuntimeTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ergon-sealed-").FullName;
    private readonly SealedRuntime _sealed = new();

    public void Dispose()
    {
        _sealed.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void A_copy_is_made_once_and_cannot_be_changed()
    {
        var program = Program("runc", "first");

        var copy = _sealed.Of(program);

        copy.Should().NotBeNull().And.BeSameAs(_sealed.Of(program));
        var bytes = new byte[5];
        RandomAccess.Read(copy!, bytes, 0).Should().Be(5);
        bytes.Should().Equal("first"u8.ToArray());
        var writing = () => RandomAccess.Write(copy!, "other"u8, 0);
        writing.Should().Throw<UnauthorizedAccessException>();
    }

    [Fact]
    public void A_runtime_that_was_exchanged_is_copied_anew()
    {
        var program = Program("runc", "first");
        var former = _sealed.Of(program);

        Program("runc", "the second");

        var bytes = new byte[10];
        RandomAccess.Read(_sealed.Of(program)!, bytes, 0);
        bytes.Should().Equal("the second"u8.ToArray());
        former!.IsClosed.Should().BeFalse("a start may be using it");
    }

    [Fact]
    public void Another_runtime_and_what_is_not_there_are_started_from_their_files()
    {
        _sealed.Of(Program("crun", "another")).Should().BeNull();
        _sealed.Of(Path.Combine(_directory, "runc")).Should().BeNull();
    }

    private string Program(string name, string content)
    {
        var path = Path.Combine(_directory, name);
        File.WriteAllText(path, content);
        return path;
    }
}
