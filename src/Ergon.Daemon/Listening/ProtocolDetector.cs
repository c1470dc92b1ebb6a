using System.Buffers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Ergon.Daemon.Listening;

/// <summary>
/// Lets one socket without TLS serve HTTP/1.1 and HTTP/2. Kestrel takes the protocol from the TLS handshake and knows no other way; a client
/// that begins with HTTP/2 says so in its first bytes, so that they stand in for the handshake.
/// </summary>
internal sealed class ProtocolDetector(ConnectionDelegate next, TimeProvider time)
{
    private static readonly TimeSpan FirstBytesTime = TimeSpan.FromSeconds(30);

    private static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    public async Task OnConnectionAsync(ConnectionContext connection)
    {
        if (await BeginsWithPrefaceAsync(connection) is not { } isHttp2) return;
        if (isHttp2)
        {
            var negotiated = new Negotiated();
            connection.Features.Set<ITlsConnectionFeature>(negotiated);
            connection.Features.Set<ITlsApplicationProtocolFeature>(negotiated);
        }

        await next(connection);
    }

    // null: the client went away, or said nothing.
    private async Task<bool?> BeginsWithPrefaceAsync(ConnectionContext connection)
    {
        using var deadline = new CancellationTokenSource(FirstBytesTime, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, connection.ConnectionClosed);
        var input = connection.Transport.Input;
        try
        {
            while (true)
            {
                var read = await input.ReadAsync(linked.Token);
                var differs = Compare(read.Buffer);
                input.AdvanceTo(read.Buffer.Start, differs is null ? read.Buffer.End : read.Buffer.Start);
                if (differs is { } known) return known;
                if (read.IsCompleted) return read.Buffer.IsEmpty ? null : false;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            return null;
        }
    }

    // null: the same so far.
    private static bool? Compare(ReadOnlySequence<byte> buffer)
    {
        Span<byte> first = stackalloc byte[Preface.Length];
        var length = (int)Math.Min(buffer.Length, Preface.Length);
        buffer.Slice(0, length).CopyTo(first);
        if (!first[..length].SequenceEqual(Preface[..length])) return false;
        return length == Preface.Length ? true : null;
    }

    private sealed class Negotiated : ITlsConnectionFeature, ITlsApplicationProtocolFeature
    {
        public X509Certificate2? ClientCertificate { get; set; }

        public ReadOnlyMemory<byte> ApplicationProtocol => SslApplicationProtocol.Http2.Protocol;

        public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) => Task.FromResult<X509Certificate2?>(null);
    }
}
