// The sandbox is Linux's; what other systems offer has nothing that could be told apart from a plain child process.
[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]
