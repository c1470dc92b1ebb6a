namespace Ergon;

/// <summary>The executor could not do its part. The message says what happened, why, and what to do.</summary>
public sealed class ExecutorException : Exception
{
    /// <summary>Creates the error.</summary>
    public ExecutorException(ErrorCode code, string message, ExecutionId? executionId = null, Exception? innerException = null)
        : base(message, innerException)
    {
        Code = code;
        ExecutionId = executionId;
    }

    /// <summary>Creates the error of a request with everything that is wrong with it.</summary>
    public ExecutorException(IReadOnlyList<RequestProblem> problems, ExecutionId? executionId)
        : base(Describe(problems))
    {
        Code = problems.All(p => p.Kind == RequestProblemKind.NotSupported) ? ErrorCode.NotSupported : ErrorCode.InvalidRequest;
        ExecutionId = executionId;
        Problems = problems;
    }

    /// <summary>Why.</summary>
    public ErrorCode Code { get; }

    /// <summary>The execution concerned, if there is one.</summary>
    public ExecutionId? ExecutionId { get; }

    /// <summary>Every problem of the request, in the order of its fields; empty for other errors.</summary>
    public IReadOnlyList<RequestProblem> Problems { get; } = [];

    /// <summary>Whether the same call may succeed later without a change by the caller.</summary>
    public bool IsTransient => Code is ErrorCode.BackendUnavailable or ErrorCode.ResourcesUnavailable or ErrorCode.WaitTimedOut
        or ErrorCode.PrepareTimedOut;

    private static string Describe(IReadOnlyList<RequestProblem> problems) => problems.Count == 1
        ? problems[0].ToString()
        : $"The request has {problems.Count} problems:{string.Concat(problems.Select(p => "\n  - " + p))}";
}

/// <summary>What kind of problem a field has.</summary>
public enum RequestProblemKind
{
    /// <summary>The value is malformed or missing.</summary>
    Invalid,

    /// <summary>The value makes sense, but this executor cannot honour it.</summary>
    NotSupported,

    /// <summary>The operator's policy forbids the value.</summary>
    Forbidden,
}

/// <summary>One wrong field of a request.</summary>
/// <param name="Field">The path of the field in the JSON form, such as <c>engine_spec.params.image</c>.</param>
/// <param name="Message">What is wrong, why, and what to do.</param>
/// <param name="Kind">What kind of problem it is.</param>
public sealed record RequestProblem(string Field, string Message, RequestProblemKind Kind = RequestProblemKind.Invalid)
{
    /// <summary>Returns <c>field: message</c>.</summary>
    public override string ToString() => $"{Field}: {Message}";
}

/// <summary>Collects the problems of a request, so that all of them can be reported at once.</summary>
public sealed class RequestProblems
{
    private readonly List<RequestProblem> _problems = [];

    /// <summary>The number of problems so far.</summary>
    public int Count => _problems.Count;

    /// <summary>Adds a malformed or missing value.</summary>
    public void Invalid(string field, string message) => _problems.Add(new(field, message));

    /// <summary>Adds a value that this executor cannot honour.</summary>
    public void NotSupported(string field, string message) => _problems.Add(new(field, message, RequestProblemKind.NotSupported));

    /// <summary>Adds a value that the operator's policy forbids.</summary>
    public void Forbidden(string field, string message) => _problems.Add(new(field, message, RequestProblemKind.Forbidden));

    /// <summary>Whether a field has a problem already.</summary>
    internal bool Has(string field) => _problems.Exists(p => p.Field == field);

    /// <summary>Throws when there is a problem.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> or <see cref="ErrorCode.NotSupported"/>.</exception>
    public void ThrowIfAny(ExecutionId? executionId = null)
    {
        if (_problems.Count > 0) throw new ExecutorException([.. _problems], executionId);
    }
}
