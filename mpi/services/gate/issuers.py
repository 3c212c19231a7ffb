"""Whether the authorities that a policy names are configured."""

from mpi.config import Config
from mpi.matching.gate_policy import CONFIGURED, GatePolicy, InvalidPolicy


def check_issuers(policy: GatePolicy, config: Config) -> None:
    """Raise `InvalidPolicy` where a rule, a section or an override names an authority that is not configured."""
    for rule in (*policy.rules, *(rule for section in policy.sections for rule in section.rules)):
        issuers = rule.parameters.get("trusted_issuers", CONFIGURED)
        for code in [] if issuers == CONFIGURED else issuers:
            _check(policy, config, f"rule {rule.id} trusts", code)
    for override in policy.overrides:
        for code in sorted(override.sites or ()):
            _check(policy, config, f"the override of {override.rule} names", code)


def _check(policy: GatePolicy, config: Config, what: str, code: str) -> None:
    found = config.authority(code)
    if found is None or found.code != code:
        raise InvalidPolicy(f"{policy.name}: {what} {code!r}, which is no configured authority")
