namespace Ergon.Json;

/// <summary>
/// The problems of a JSON text. There can be as many as the text has fields, so that only the first ones are described; the rest is
/// counted.
/// </summary>
internal sealed class JsonProblems
{
    private const int MaxDescribed = 100;

    private readonly RequestProblems _described = new();
    private long _further;

    /// <summary>Whether another problem would only be counted.</summary>
    public bool IsFull => _described.Count >= MaxDescribed;

    public void Invalid(string field, string message)
    {
        if (IsFull) _further++;
        else _described.Invalid(field, message);
    }

    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> when there is a problem.</exception>
    public void ThrowIfAny(ExecutionId? executionId)
    {
        if (_further > 0) _described.Invalid(JsonText.Whole, $"has {_further} further problems.");
        _described.ThrowIfAny(executionId);
    }
}
