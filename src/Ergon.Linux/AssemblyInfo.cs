using System.Runtime.Versioning;

// Every type here is about the Linux kernel; who references the assembly asks OperatingSystem.IsLinux() first.
[assembly: SupportedOSPlatform("linux")]
[assembly: System.Runtime.CompilerServices.DisableRuntimeMarshalling]
