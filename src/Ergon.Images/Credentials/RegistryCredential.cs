namespace Ergon;

/// <summary>How to log in to a registry.</summary>
public sealed record RegistryCredential
{
    /// <summary>The user.</summary>
    public string? Username { get; init; }

    /// <summary>The password, or an access token.</summary>
    public string? Password { get; init; }

    /// <summary>An identity token, which is given instead of a password.</summary>
    public string? IdentityToken { get; init; }

    /// <summary>Returns the user alone: secrets do not belong into logs.</summary>
    public override string ToString() => $"{nameof(RegistryCredential)} {{ {Username} }}";
}
