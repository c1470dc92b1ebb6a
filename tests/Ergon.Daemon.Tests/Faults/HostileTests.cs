using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Ergon.Daemon.Tests.Service;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon.Tests.Faults;

/// <summary>Requests that nobody means well with, the same ones in every run: each has an answer or an end, and the daemon goes on.</summary>
public sealed class HostileTests : IAsyncLifetime
{
    private const int Rounds = 600;

    private static readonly string[] Pieces =
    [
        "v1", "executions", "e", "logs", "stats", "events", "executors", "process", "drain", "readyz", "cancel", "signal", "exec", "result", "..", ".", "", "%00", "%2e%2e", "%2F", "%ff", "%",
        "a b", "\u00e9", "{id}", "*", "ergon.v1.ExecutorService", "Start", "metrics", "openapi", new string('x', 3000), "?wait=maybe", "?page_size=-1&page_token=zz", "?timeout=99999999999d",
        "?label==&label=a", "?status=9", "?cursor=9.9.9", "?after=99999999999999999999", "?executor=%00", "?wait_for=running&timeout=1ms", "?follow=true&stream=x", "?encoding=xml",
    ];

    private static readonly string[] Methods = ["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "TRACE", "X"];

    private static readonly string[] Values =
        ["null", "1", "-1", "1e400", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "[]", "{}", "true", "[null]", "{\"a\":null}", "99999999999999999999", "[[[[[[[[]]]]]]]]", "\"" + new string('y', 5000) + "\""];

    private static readonly string[] Calls =
        ["Start", "Run", "Wait", "Cancel", "Pause", "Signal", "GetLogStream", "Exec", "GetStatus", "WaitForStatus", "List", "GetStats", "Watch", "Remove", "Fingerprint", "Drain", "GetDrain", "Reload", "Nothing"];

    private readonly Random _random = new(20261128);
    private readonly Failures _failures = new();
    private RunningDaemon _daemon = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _daemon = await RunningDaemon.StartAsync(o => o with { Policy = new DaemonPolicy { Images = ["a/*"], Capabilities = ["NET_RAW"] } }, loggerFactory: _failures);

    public async ValueTask DisposeAsync()
    {
        (await _daemon.SendAsync(HttpMethod.Delete, "/v1/drain")).Status.Should().Be(HttpStatusCode.OK);
        (await _daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("afterwards", "echo fine"))).Body.GetProperty("stdout").GetString().Should().Be("fine\n");
        await _daemon.DisposeAsync();
        _failures.Seen.Should().BeEmpty("nothing failed in a way that it should not have");
    }

    [Fact]
    public async Task Requests_over_http()
    {
        for (var i = 0; i < Rounds; i++)
        {
            using var request = new HttpRequestMessage(new HttpMethod(Pick(Methods)), new Uri("http://daemon/" + Path(), new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
            if (_random.Next(3) > 0) request.Content = new ByteArrayContent(Body());
            request.Content?.Headers.TryAddWithoutValidation("Content-Type", Pick(["application/json", "application/grpc", "text/plain", "x", "application/json; charset=utf-99"]));
            foreach (var name in new[] { "Authorization", "Last-Event-ID", "Idempotency-Key", "Accept-Encoding", "Traceparent", "Content-Encoding", "Expect" })
                if (_random.Next(4) == 0) request.Headers.TryAddWithoutValidation(name, Pick(["Bearer x", "1.2", "-1", "100-continue", "gzip", "\u00e9", new string('k', 200), "00-" + new string('f', 32) + "-1-1"]));
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Token);
            deadline.CancelAfter(TimeSpan.FromSeconds(10));
            try
            {
                using var response = await _daemon.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
                if ((int)response.StatusCode < 400 || request.Method == HttpMethod.Head || response.Content.Headers.ContentType?.MediaType == "application/grpc") continue;
                var text = await response.Content.ReadAsStringAsync(deadline.Token);
                if (response.StatusCode >= HttpStatusCode.InternalServerError) response.Content.Headers.ContentType!.MediaType.Should().Be("application/problem+json", "{0} answered {1} {2}", request, response.StatusCode, text);
                response.StatusCode.Should().NotBe(HttpStatusCode.InternalServerError, "{0}: {1}", request, text);
            }
            catch (HttpRequestException)
            {
                // Not even a request: the connection is ended.
            }
        }
    }

    [Fact]
    public async Task Bytes_that_are_no_requests()
    {
        for (var i = 0; i < Rounds / 2; i++)
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_daemon.Socket), Token);
            try
            {
                await socket.SendAsync(NoRequest(), Token);
                socket.Shutdown(SocketShutdown.Send);
                var buffer = new byte[4096];
                using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Token);
                deadline.CancelAfter(TimeSpan.FromSeconds(10));
                while (await socket.ReceiveAsync(buffer, deadline.Token) is > 0 and var read)
                    Encoding.Latin1.GetString(buffer, 0, read).Should().NotContain(" 500 ");
            }
            catch (SocketException)
            {
                // It ended the connection.
            }
        }
    }

    [Fact]
    public async Task Messages_over_grpc()
    {
        for (var i = 0; i < Rounds; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/ergon.v1.ExecutorService/" + Pick(Calls)) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
            var timeout = Pick([5, 20]);
            request.Headers.TryAddWithoutValidation("grpc-timeout", $"{timeout}m");
            if (_random.Next(5) == 0) request.Headers.TryAddWithoutValidation("grpc-encoding", Pick(["gzip", "none", "x"]));
            request.Content = new ByteArrayContent(Message());
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Token);
            deadline.CancelAfter(TimeSpan.FromSeconds(10));
            var sent = Stopwatch.GetTimestamp();
            try
            {
                using var response = await _daemon.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
                await response.Content.ReadAsByteArrayAsync(deadline.Token);
                response.StatusCode.Should().Be(HttpStatusCode.OK);
                // The gRPC library loses the status where the deadline ends a call in the moment in which its answer begins.
                if (!response.TrailingHeaders.Contains("grpc-status") && !response.Headers.Contains("grpc-status")) Stopwatch.GetElapsedTime(sent).Should().BeGreaterThan(TimeSpan.FromMilliseconds(timeout));
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                // The stream was reset, since the deadline was over.
            }
        }
    }

    private T Pick<T>(IReadOnlyList<T> of) => of[_random.Next(of.Count)];

    private string Path() => string.Join('/', Enumerable.Range(0, _random.Next(1, 5)).Select(_ => Pick(Pieces)));

    // A request with a few of its values replaced, or bytes of it changed, or nothing of the kind.
    private byte[] Body()
    {
        var text = RunningDaemon.Script($"e{_random.Next(5)}", "true", ""","resources":{"cpu":1},"environment":{"A":"b"},"timeouts":{"run":"1s"},"labels":{"a":"b"},"network":{"mode":"none"}""");
        var at = text.IndexOf(':', _random.Next(text.Length)) is > 0 and var found ? found + 1 : 0;
        text = text[..at] + Pick(Values) + text[Math.Min(text.Length, at + _random.Next(8))..];
        var bytes = Encoding.UTF8.GetBytes(_random.Next(3) == 0 ? $$"""{"command":{{Pick(Values)}},"signal":{{Pick(Values)}}}""" : text);
        if (_random.Next(3) == 0) bytes[_random.Next(bytes.Length)] = (byte)_random.Next(256);
        return bytes;
    }

    private byte[] NoRequest()
    {
        var noise = new byte[_random.Next(1, 400)];
        _random.NextBytes(noise);
        return _random.Next(6) switch
        {
            0 => noise,
            1 => [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. noise],
            2 => [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, (byte)_random.Next(8), .. noise],
            3 => [.. "GET /livez HTTP/1.1\r\nHost: a\r\n"u8, .. noise, .. "\r\n\r\n"u8],
            4 => [.. "POST /v1/executions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"u8, .. noise],
            _ => Encoding.ASCII.GetBytes($"POST /v1/executions HTTP/1.1\r\nHost: a\r\nContent-Length: {_random.Next(-5, 1 << 30)}\r\n\r\n{{"),
        };
    }

    // Fields of any number and kind, since a message says nothing of its type; with a length that is true, or not.
    private byte[] Message()
    {
        var body = new List<byte>();
        for (var i = _random.Next(5); i > 0; i--)
        {
            var text = Encoding.UTF8.GetBytes(Pick(["e1", "", "process", "\0", "9", new string('z', 200)]));
            body.Add((byte)((_random.Next(1, 16) << 3) | 2));
            body.Add((byte)Math.Min(text.Length, 127));
            body.AddRange(text.Take(127));
            if (_random.Next(4) == 0) body.AddRange([(byte)(_random.Next(1, 16) << 3), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
            if (_random.Next(6) == 0) body.Add((byte)_random.Next(256));
        }

        var length = _random.Next(8) == 0 ? _random.Next() : body.Count;
        return [(byte)(_random.Next(10) == 0 ? 1 : 0), (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, .. body];
    }

    /// <summary>Keeps what the daemon itself says went wrong.</summary>
    private sealed class Failures : ILoggerFactory, ILogger
    {
        private readonly List<string> _seen = [];

        public IReadOnlyList<string> Seen
        {
            get { lock (_seen) return [.. _seen]; }
        }

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            // Of the web server: a message that cannot be read is told there as an error of the call.
            if (logLevel < LogLevel.Error || eventId.Name != nameof(DaemonLog.CallFailed)) return;
            lock (_seen) _seen.Add($"{formatter(state, exception)}: {exception}");
        }

        public void Dispose()
        {
        }
    }
}
