using Ergon.Client.Wire;
using Google.Protobuf;
using Grpc.Core;
using P = Ergon.Protocol.V1;

namespace Ergon.Daemon.Rpc;

internal sealed partial class ExecutorRpc
{
    private const int ExecBuffer = 32 * 1024;

    public override async Task Exec(IAsyncStreamReader<P.ExecInput> inputs, IServerStreamWriter<P.ExecOutput> outputs, ServerCallContext context)
    {
        using var ending = LinkToStop(context);
        if (!await inputs.MoveNext(ending.Token) || inputs.Current.Start is not { } start)
            throw new ExecutorException([new RequestProblem("start", "is missing; it is the first message.")], null);
        await using var session = await operations.ExecAsync(CallerOf(context), Id(start.ExecutionId), start.FromWire(), ending.Token);
        using var writer = new OutputWriter(outputs);
        await writer.WriteAsync(new P.ExecOutput { Started = true }, ending.Token);
        var feeding = FeedAsync(inputs, session, writer, ending.Token);
        try
        {
            await Task.WhenAll(
                PumpAsync(session.StandardOutput, bytes => new P.ExecOutput { Stdout = bytes }, writer, ending.Token),
                PumpAsync(session.StandardError, bytes => new P.ExecOutput { Stderr = bytes }, writer, ending.Token));
            await writer.WriteAsync(new P.ExecOutput { ExitCode = await session.WaitAsync(ending.Token) }, ending.Token);
        }
        finally
        {
            await ending.CancelAsync();
            await feeding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task FeedAsync(IAsyncStreamReader<P.ExecInput> inputs, IExecSession session, OutputWriter writer, CancellationToken cancellationToken)
    {
        var open = true;
        while (await inputs.MoveNext(cancellationToken))
        {
            var input = inputs.Current;
            if (input.InputCase == P.ExecInput.InputOneofCase.Resize) await ResizeAsync(session, input.Resize.FromWire(), writer, cancellationToken);
            else if (input.InputCase == P.ExecInput.InputOneofCase.Stdin && open) open = await TryWriteAsync(session, input.Stdin, cancellationToken);
            else if (input.InputCase == P.ExecInput.InputOneofCase.StdinEnd && open)
            {
                open = false;
                await session.StandardInput.DisposeAsync();
            }
        }

        // Whoever sends nothing more has no input either.
        if (open) await session.StandardInput.DisposeAsync();
    }

    // A command need not read its input.
    private static async Task<bool> TryWriteAsync(IExecSession session, ByteString bytes, CancellationToken cancellationToken)
    {
        try
        {
            await session.StandardInput.WriteAsync(bytes.Memory, cancellationToken);
            await session.StandardInput.FlushAsync(cancellationToken);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static async Task ResizeAsync(IExecSession session, TerminalSize size, OutputWriter writer, CancellationToken cancellationToken)
    {
        var answer = new P.ExecResized();
        try
        {
            await session.ResizeAsync(size, cancellationToken);
        }
        catch (ExecutorException e)
        {
            answer.Error = e.ToWire();
        }

        await writer.WriteAsync(new P.ExecOutput { Resized = answer }, cancellationToken);
    }

    private static async Task PumpAsync(Stream stream, Func<ByteString, P.ExecOutput> wrap, OutputWriter writer, CancellationToken cancellationToken)
    {
        var buffer = new byte[ExecBuffer];
        while (await stream.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            await writer.WriteAsync(wrap(ByteString.CopyFrom(buffer, 0, read)), cancellationToken);
    }

    // One message at a time: two streams and the answers to resizes share the call.
    private sealed class OutputWriter(IServerStreamWriter<P.ExecOutput> outputs) : IDisposable
    {
        private readonly SemaphoreSlim _turn = new(1, 1);

        public async Task WriteAsync(P.ExecOutput output, CancellationToken cancellationToken)
        {
            await _turn.WaitAsync(cancellationToken);
            try
            {
                await outputs.WriteAsync(output, cancellationToken);
            }
            finally
            {
                _turn.Release();
            }
        }

        public void Dispose() => _turn.Dispose();
    }
}
