"""An operation whose id is there already: the same again, or something else under its name."""

import msgspec

from gateway.domain.effects import Refused, Replay
from gateway.domain.facts import Stored
from gateway.domain.operation import Kind, Operation
from gateway.domain.refusal import Refusal


def again(operation: Operation, stored: Stored) -> Refused | Replay:
    """The stored answer for the same request; a refusal that names the fields for any other."""
    spent = stored.kind is Kind.TOMBSTONE and operation.kind in (Kind.CLAIM, Kind.REPLACEMENT)
    # The fingerprint covers the card; the account need not be compared, and may differ once a stub's card was
    # registered.
    if stored.fingerprint == operation.fingerprint or (spent and stored.account == operation.account):
        return Replay(stored.id)
    return Refused(Refusal.ID_REUSED, _differences(operation, stored), security=True)


def _differences(operation: Operation, stored: Stored) -> tuple[str, ...]:
    """Names of the fields in which the request differs from the stored one; never their values."""
    names = []
    if stored.kind is not operation.kind:
        names.append("kind")
    if stored.terminal != operation.author.terminal:
        names.append("terminal")
    if stored.refers != operation.refers:
        names.append("refers")
    if stored.account != operation.account:
        names.append("card")
    if stored.kind is operation.kind:
        before = msgspec.json.decode(stored.record.raw)
        now = msgspec.to_builtins(operation.content)
        try:
            before = msgspec.to_builtins(msgspec.convert(before, type(operation.content)))
        except msgspec.ValidationError:
            return (*names, "content")
        names += [name for name in now if now[name] != before.get(name) and name not in names]
    return tuple(names)
