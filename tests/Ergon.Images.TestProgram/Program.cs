using Ergon;
using Ergon.Images.Store;
using Ergon.Images.TestProgram;

// Another process that uses an image store. It says what it did in lines, and ends when its input does.
//   get STORE IMAGE    takes an image into use, and prints "started", perhaps "built", and its path
//   leave STORE        begins a temporary file, and prints its path
Console.WriteLine("started");
switch (args)
{
    case ["get", var directory, var image]:
        await using (var store = new ImageStore(new ImageStoreOptions { Directory = directory }, new BuildPrinter(), TimeProvider.System))
        {
            using var lease = await store.GetAsync(image, PullPolicy.Missing, null, static _ => { }, CancellationToken.None);
            Console.WriteLine(lease.Path);
            await Console.In.ReadToEndAsync();
        }

        return 0;
    case ["leave", var directory]:
        using (var cache = new ImageCache(directory, long.MaxValue, new BuildPrinter(), TimeProvider.System))
        {
            var path = cache.NewTemporary();
            await File.WriteAllTextAsync(path, "half of an image");
            Console.WriteLine(path);
            await Console.In.ReadToEndAsync();
        }

        return 0;
    default:
        return 2;
}
