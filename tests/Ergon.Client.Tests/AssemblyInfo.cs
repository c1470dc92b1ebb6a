// The daemon under test runs local processes in sandboxes, which are Linux's.
[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]
