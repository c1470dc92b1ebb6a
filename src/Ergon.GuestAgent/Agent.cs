using Ergon.GuestAgent.Boot;
using Ergon.GuestAgent.Channel;
using Ergon.GuestAgent.Job;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent;

/// <summary>Does what the host says; docs/guest-protocol.md is its specification.</summary>
internal sealed class Agent
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(1);

    private readonly long _begun;
    private readonly KernelEvents _events;
    private readonly EventLoop _loop;
    private readonly HostLink _link;
    private readonly FrameSender _sender;
    private readonly Queue<string> _modules = ModuleLoader.Read(ModuleLoader.Late);
    private readonly Dictionary<uint, IGuestChannel> _channels = [];
    private ConfiguredJob? _job;
    private JobExecution? _execution;
    private int _greetings;
    private bool _settled;

    private Agent(KernelEvents events, EventLoop loop, long begun)
    {
        (_events, _loop, _begun) = (events, loop, begun);
        _sender = new FrameSender(bytes => _link!.Write(bytes));
        _link = new HostLink(events) { Receiver = new FrameReceiver(TryHandle), Writable = _sender.Pump, Lost = () => _sender.Reset(open: false) };
    }

    private GuestState State => (_job, _execution) switch
    {
        (null, _) => GuestState.Booted,
        (_, null) => GuestState.Configured,
        (_, { Ended: false }) => GuestState.Started,
        _ => GuestState.Exited,
    };

    /// <summary>Boots, serves the host, and returns when the machine is to end.</summary>
    public static void Run()
    {
        var begun = GuestClock.Uptime();
        KernelFileSystems.Mount();
        foreach (var module in ModuleLoader.Read(ModuleLoader.Early)) ModuleLoader.Load(module);
        using var events = new KernelEvents(ownThread: false);
        var loop = new EventLoop(events);
        SynchronizationContext.SetSynchronizationContext(loop);
        var agent = new Agent(events, loop, begun);
        new HostLinkFinder(events, agent._link).Start();
        loop.Run();
        GuestShutdown.Unmount();
    }

    private void LoadModulesWhenIdle() => _loop.WhenIdle(() =>
    {
        if (!_modules.TryDequeue(out var module)) return;
        ModuleLoader.Load(module);
        LoadModulesWhenIdle();
    });

    // What has no answer, such as the size of a terminal that has just gone, must not end the machine when it fails.
    private void TryHandle(FrameType type, ReadOnlySpan<byte> payload)
    {
        try
        {
            Handle(type, payload);
        }
        catch (LinuxException e)
        {
            GuestConsole.Write($"{type}: {e.Message}");
        }
    }

    private void Handle(FrameType type, ReadOnlySpan<byte> payload)
    {
        if (type == FrameType.Hello)
        {
            Greet(HelloMessage.Decode(payload));
            return;
        }

        // What an earlier host was cut off in.
        if (!_sender.Open) return;
        var reader = new PayloadReader(payload);
        switch (type)
        {
            case FrameType.Configure:
                HandleConfigure(reader);
                break;
            case FrameType.Rehearse:
                _ = RehearseAsync(reader.UInt32(), GuestConfiguration.Decode(reader.Rest()));
                break;
            case FrameType.Exec:
                StartExec(ExecMessage.Decode(payload));
                break;
            case FrameType.Input:
                (Find(reader.UInt32()) as ExecSession)?.Write(payload[sizeof(uint)..]);
                break;
            case FrameType.InputEnd:
                (Find(reader.UInt32()) as ExecSession)?.EndInput();
                break;
            case FrameType.Resize:
                (Find(reader.UInt32()) as ExecSession)?.Resize(reader.Int32(), reader.Int32());
                break;
            case FrameType.Close:
                CloseChannel(reader.UInt32());
                break;
            case FrameType.Acknowledge:
                Acknowledge(reader.UInt32(), reader.Byte(), reader.Int64());
                break;
            case FrameType.Shutdown:
                _loop.Stop();
                break;
            default:
                HandleJobRequest(type, reader);
                break;
        }
    }

    private void HandleJobRequest(FrameType type, PayloadReader reader)
    {
        var id = reader.UInt32();
        switch (type)
        {
            case FrameType.Start:
                Answer(id, Start);
                break;
            case FrameType.Signal:
                var number = reader.Byte();
                Answer(id, () => _execution?.Signal(number));
                break;
            case FrameType.Kill:
                Answer(id, () => _execution?.Kill());
                break;
            case FrameType.Settle:
                Answer(id, SettleOrShowThatTimePasses);
                break;
            case FrameType.Stats:
                Answer(id, GuestStatistics);
                break;
            case FrameType.Collect:
                var channel = reader.UInt32();
                Answer(id, () => Open(channel, new OutputCollection(channel, Configured.Outputs, _sender)));
                break;
        }
    }

    private ConfiguredJob Configured => _job ?? throw new IOException("The guest has not been configured.");

    private void Greet(HelloMessage hello)
    {
        // The modules of the job's disks come after the answer: each takes longer than everything else between the kernel and the greeting.
        if (_greetings++ == 0) LoadModulesWhenIdle();
        GuestClock.Set(hello.Time, hello.Entropy.Span);
        // Nothing is sent while it is worked out where to go on, and then the answer comes first.
        _sender.Reset(open: false);
        foreach (var channel in _channels.Keys.ToArray()) CloseChannel(channel);
        _execution?.Resume(hello.Stdout, hello.Stderr);
        _sender.Reset(open: true);
        _sender.Send(
            FrameType.Welcome,
            new WelcomeMessage(GuestProtocol.Version, hello.Nonce, State, GuestClock.KernelRelease, GuestClock.Uptime(), _begun).Encode().Span);
    }

    private void HandleConfigure(PayloadReader reader)
    {
        var id = reader.UInt32();
        var configuration = GuestConfiguration.Decode(reader.Rest());
        Answer(id, () =>
        {
            if (_job is not null) throw new IOException("The guest has been configured already.");
            if (configuration.Arguments.Count == 0) throw new RequestException("engine_spec.params.cmd: there is no command to run, neither in the request nor in the image.");
            Settle();
            // A second greeting means that this machine is the copy of one that had waited: its disks are others now.
            GuestDisks.Bind(again: _greetings > 1);
            _job = ConfiguredJob.Create(configuration, _events);
        });
    }

    private async Task RehearseAsync(uint id, GuestConfiguration configuration)
    {
        Exception? failure = null;
        try
        {
            if (_job is not null) throw new IOException("The guest has been configured already.");
            Settle();
            GuestDisks.Bind(again: _greetings > 1);
            await Rehearsal.RunAsync(configuration, _events);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or RequestException)
        {
            failure = e;
        }

        Answer(id, () =>
        {
            if (failure is not null) throw new IOException(failure.Message, failure);
        });
    }

    // Time does not pass in the copy of a state that is not whole, and its job would sleep for ever.
    private void SettleOrShowThatTimePasses()
    {
        if (_settled) GuestClock.LetPass(Moment);
        else Settle();
    }

    // What every job needs, whatever it is.
    private void Settle()
    {
        if (_settled) return;
        _settled = true;
        while (_modules.TryDequeue(out var module)) ModuleLoader.Load(module);
        KernelFileSystems.MountCgroups();
    }

    private void Start()
    {
        if (_execution is not null) throw new IOException("The job has been started already.");
        var execution = new JobExecution(Configured, _events, _sender);
        execution.Start();
        _execution = execution;
    }

    private void StartExec(ExecMessage request) => Answer(request.Id, () =>
    {
        if (_execution is not { Ended: false } || Configured.Namespaces.Ending) throw new IOException("The job is not running.");
        Open(request.Channel, new ExecSession(request, Configured, _events, _sender));
    });

    private ReadOnlyMemory<byte> GuestStatistics()
    {
        var usage = Configured.Cgroup.ReadUsage();
        var network = NetworkCounters.Parse(CgroupText.Read("/proc/net/dev") ?? "");
        var nanoseconds = (usage.CpuTime ?? TimeSpan.Zero).Ticks * TimeSpan.NanosecondsPerTick;
        return new GuestStats(
            nanoseconds, usage.MemoryBytes, usage.Pids, network.Received, network.Sent, usage.DiskReadBytes, usage.DiskWrittenBytes).Encode();
    }

    private void Acknowledge(uint channel, byte stream, long offset)
    {
        if (channel == GuestProtocol.JobChannel) _execution?.Acknowledge(stream, offset);
        else Find(channel)?.Acknowledge(stream, offset);
    }

    private IGuestChannel? Find(uint channel) => _channels.GetValueOrDefault(channel);

    private void Open(uint number, IGuestChannel channel)
    {
        CloseChannel(number);
        _channels[number] = channel;
        // After the answer: until then the host does not know the channel.
        _loop.Post(_ => _sender.Add(channel), null);
    }

    private void CloseChannel(uint number)
    {
        if (!_channels.Remove(number, out var channel)) return;
        _sender.Remove(channel);
        channel.Dispose();
    }

    private void Answer(uint id, Action action) => Answer(id, () =>
    {
        action();
        return default;
    });

    private void Answer(uint id, Func<ReadOnlyMemory<byte>> action)
    {
        ReplyMessage reply;
        try
        {
            reply = new ReplyMessage(id, ReplyCode.Done, "", action());
        }
        catch (RequestException e)
        {
            reply = new ReplyMessage(id, ReplyCode.Invalid, e.Message, default);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            reply = new ReplyMessage(id, ReplyCode.Failed, e.Message, default);
        }

        _sender.Send(FrameType.Reply, reply.Encode().Span);
    }
}
