using System.Text;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Execution;

/// <summary>Reads a guest's console, so that the guest never waits for it, and keeps its end for whoever must explain a failure.</summary>
internal sealed class ConsoleTail
{
    private const int KeptBytes = 4096;
    private const int ReadBytes = 4096;

    private readonly Lock _lock = new();
    private readonly Queue<byte> _tail = new(KeptBytes);
    private readonly Task _reading;

    public ConsoleTail(Stream console) => _reading = ReadAsync(console);

    /// <summary>What the console showed last, for people.</summary>
    public string Explain()
    {
        lock (_lock)
        {
            var text = Printable(Encoding.UTF8.GetString([.. _tail])).Trim();
            return text.Length == 0 ? "Its console showed nothing." : $"Its console ended with:\n{text}";
        }
    }

    /// <summary>What is known of the end of a machine: how its process ended, what it said, and what the guest said.</summary>
    public async Task<string> ExplainAsync(VmmExit exit)
    {
        await _reading;
        var how = exit switch
        {
            { Meaning: { } meaning } => $"Its process ended: {meaning}. ",
            { Signal: { } signal } => $"Its process was ended by {new Signal(signal)}. ",
            { ExitCode: { } code and not 0 } => $"Its process exited with code {code}. ",
            _ => "",
        };
        return $"{how}{(exit.Errors.Length > 0 ? $"It said: {exit.Errors} " : "")}{Explain()}";
    }

    private async Task ReadAsync(Stream console)
    {
        var buffer = new byte[ReadBytes];
        try
        {
            while (await console.ReadAsync(buffer) is > 0 and var count)
            {
                lock (_lock)
                {
                    foreach (var b in buffer.AsSpan(0, count))
                    {
                        if (_tail.Count == KeptBytes) _tail.Dequeue();
                        _tail.Enqueue(b);
                    }
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Let go of, or gone: what was read is what can be told.
        }
    }

    // A guest's console may carry control sequences for the terminal of whoever reads the error.
    private static string Printable(string text) => new([.. text.Where(c => c is '\n' or '\t' || !char.IsControl(c))]);
}
