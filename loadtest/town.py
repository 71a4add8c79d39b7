"""The made-up town that the comparison runs are made in: who lives there, which terminals stand there, what they claim.

Everything follows from numbers, so that the program that fills the database and the one that makes the load need not
talk. People are impossible: born in 2099. Amounts are integer fen.
"""

from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from math import gcd
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TERMINALS = 64
CLINICS = 32
DISTRICT = "310104"
TOWN = f"{DISTRICT}003"
CATEGORY = "DIBAO"
DRUG_EVERY = 10
"""Every how many-th resident is given drugs for 52 days at the first visit: the counter of supplies raises an alert."""
AID_PER_VISIT_AT_MOST = 20_000
"""A visit costs less than 200 yuan: thirty of them stay below the year's ceiling of outpatient aid, 6,000 yuan."""


def card_number(resident: int) -> str:
    """Number of the resident's card."""
    return f"X{resident:08}"


def identity(resident: int) -> str:
    """An id number that nobody has: of somebody born in 2099."""
    return f"{DISTRICT}2099{resident:08}"


def terminal_of(resident: int) -> int:
    """Where the resident goes: people keep to one clinic."""
    return resident % TERMINALS


def terminal_id(terminal: int) -> str:
    """How the gateway knows a terminal."""
    return f"T{terminal:03}"


def clinic_id(terminal: int) -> str:
    """The clinic a terminal stands in."""
    return f"C{terminal % CLINICS:03}"


def place_of(clinic: int) -> tuple[float, float]:
    """Latitude and longitude: all within a few kilometres, so that nobody travels impossibly fast."""
    return 31.18 + clinic % 8 * 0.003, 121.43 + clinic // 8 * 0.003


def terminal_key(terminal: int) -> Ed25519PrivateKey:
    """The terminal's own key."""
    return Ed25519PrivateKey.from_private_bytes(sha256(f"load test terminal {terminal}".encode()).digest())


def resident_of(serial: int, residents: int) -> int:
    """Whose turn it is: everybody once, far from the one before, then everybody again.

    Uniform, and nobody comes three times within ten minutes by chance, which the counters would challenge.
    """
    return serial * _stride(residents) % residents


def claim(serial: int, residents: int, tag: str, at: datetime) -> dict[str, Any]:
    """The claim with this number: six lines of the example catalogue, two payers before aid. `tag` tells runs apart."""
    resident = resident_of(serial, residents)
    number = f"{tag}-{serial}"
    bloods = 2_500 + serial % 997
    drug = ("ZZ0019", 2_000, 1_600)
    if resident % DRUG_EVERY == 0 and serial < residents:
        drug = ("ZZ0001", 3_500, 6_400)
    lines = [
        ("ZZ0101", 1_000, 2_500),
        drug,
        ("ZZ0022", 1_000, 420),
        ("ZZ0104", 1_000, bloods),
        ("ZZ0106", 1_000, 3_000),
        ("ZZ0107", 1_000, 4_800),
    ]
    total = sum(amount for _, _, amount in lines)
    return {
        "card": {"number": card_number(resident)},
        "visit": {
            "id": f"V{number}",
            "type": "outpatient",
            "day": at.astimezone(UTC).date().isoformat(),
            "bill": f"B{number}",
            "diagnosis": "J06.9",
        },
        "at": at.isoformat(),
        "total": total,
        "lines": [
            {"id": str(place), "item": item, "amount": amount, "quantity": quantity}
            for place, (item, quantity, amount) in enumerate(lines, 1)
        ],
        "prior": [
            {"payer": "basic_pool", "amount": total // 2, "settlement": f"P{number}"},
            {"payer": "supplementary", "amount": 500, "settlement": f"S{number}"},
        ],
        "cashier": "K1",
    }


def _stride(residents: int) -> int:
    """A step near the golden section of the circle that meets everybody before it meets anybody twice."""
    return next(step for step in count(max(1, residents * 618 // 1_000)) if gcd(step, residents) == 1)
