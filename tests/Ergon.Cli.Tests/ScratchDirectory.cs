namespace Ergon.Cli.Tests;

/// <summary>A directory of a test's own, gone with the test.</summary>
internal sealed class ScratchDirectory : IDisposable
{
    // Jobs run as nobody, whoever runs ergon.
    private const UnixFileMode Everybody = (UnixFileMode)0b111_111_111;

    public ScratchDirectory() => File.SetUnixFileMode(FullPath, Everybody);

    public string FullPath { get; } = Directory.CreateTempSubdirectory("ergon-cli-test-").FullName;

    /// <summary>Whatever is left in it.</summary>
    public string[] Entries => Directory.GetFileSystemEntries(FullPath, "*", SearchOption.AllDirectories);

    public string Write(string name, string content)
    {
        var path = Path.Combine(FullPath, name);
        File.WriteAllText(path, content);
        return path;
    }

    public string Read(string name) => File.ReadAllText(Path.Combine(FullPath, name));

    public string CreateDirectory(string name)
    {
        var path = Directory.CreateDirectory(Path.Combine(FullPath, name)).FullName;
        File.SetUnixFileMode(path, Everybody);
        return path;
    }

    /// <summary>Completes once there is a file of the name.</summary>
    public async Task WaitForAsync(string name)
    {
        var created = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var watcher = new FileSystemWatcher(FullPath, name);
        watcher.Created += (_, _) => created.TrySetResult();
        watcher.EnableRaisingEvents = true;
        if (File.Exists(Path.Combine(FullPath, name))) return;
        await created.Task.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
    }

    public void Dispose() => Directory.Delete(FullPath, recursive: true);
}
