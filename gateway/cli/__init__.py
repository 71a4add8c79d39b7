"""Commands for operators, finance and integrators."""
