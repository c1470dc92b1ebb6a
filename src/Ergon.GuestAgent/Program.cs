using Ergon.GuestAgent;
using Ergon.GuestAgent.Boot;

try
{
    Agent.Run();
}
catch (Exception e)
{
    // The last word of a guest: whatever it is, the console must show it and the machine must end.
    GuestConsole.Write($"the agent failed: {e.GetType().Name}: {e.Message}");
}

Power.Off();
