namespace Ergon;

/// <summary>When to pull an image.</summary>
public enum PullPolicy
{
    /// <summary>When the Engine does not have it.</summary>
    Missing,

    /// <summary>Before every execution.</summary>
    Always,

    /// <summary>Not at all: an image that is not there is an error.</summary>
    Never,
}
