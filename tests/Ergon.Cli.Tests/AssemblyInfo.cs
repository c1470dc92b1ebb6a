// Signals and the sandbox are Linux's.
[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]
