// Credentials that are there and cannot be used.

/** The message says which part is missing or unreadable, and never shows it. */
export class CredentialsError extends Error {}
