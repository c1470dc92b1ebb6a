namespace Ergon.Images;

/// <summary>The parameter <c>pull_policy</c>, which every engine spec with an image has.</summary>
internal static class PullPolicyParameter
{
    private const string Name = "pull_policy";

    /// <summary>Reads it; a missing one means <see cref="PullPolicy.Missing"/>.</summary>
    public static PullPolicy PullPolicy(this SpecParameters parameters, RequestProblems problems)
    {
        switch (parameters.Text(Name))
        {
            case null or "" or "missing": return Ergon.PullPolicy.Missing;
            case "always": return Ergon.PullPolicy.Always;
            case "never": return Ergon.PullPolicy.Never;
            case var other:
                problems.Invalid(SpecParameters.Field(Name), $"is '{other}'; give missing, always or never.");
                return Ergon.PullPolicy.Missing;
        }
    }
}
