using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>What Firecracker's exit codes mean, as its documentation of them and its behaviour say. None tells how a guest's job ended.</summary>
internal static class FirecrackerExit
{
    public static string Describe(VmmExit exit) => exit switch
    {
        { Signal: { } signal } => $"ended by {new Signal(signal)}",
        { ExitCode: 0 } => "the guest reset its machine",
        { ExitCode: 1 } => "exit code 1: an error of its own, or of KVM",
        { ExitCode: 134 } => "exit code 134: a missing configuration file or a bad id",
        { ExitCode: 148 } => "exit code 148: it made a system call that its filter forbids",
        { ExitCode: 149 } => "exit code 149: SIGBUS",
        { ExitCode: 150 } => "exit code 150: SIGSEGV",
        { ExitCode: 151 } => "exit code 151: SIGXFSZ",
        { ExitCode: 152 } => "exit code 152: SIGXCPU",
        { ExitCode: 153 } => "exit code 153: a bad argument",
        { ExitCode: 154 } => "exit code 154: a bad configuration of the machine",
        { ExitCode: 155 } => "exit code 155: SIGPIPE",
        { ExitCode: 156 } => "exit code 156: SIGHUP",
        { ExitCode: 157 } => "exit code 157: SIGILL",
        { ExitCode: { } code } => $"exit code {code}",
        _ => "it is not known how",
    };
}
