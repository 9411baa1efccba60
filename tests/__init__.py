"""A package, as the wheel of torch-fidelity installs a `tests` of its own, which a folder alone would lose to."""
