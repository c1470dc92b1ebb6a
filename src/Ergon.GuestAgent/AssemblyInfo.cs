using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]
[assembly: System.Runtime.CompilerServices.DisableRuntimeMarshalling]
