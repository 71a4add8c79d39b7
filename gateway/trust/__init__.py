"""Who may speak and who may read: signatures, sealing of personal data, and the keys behind both."""
