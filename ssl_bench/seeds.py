"""Every random draw is a pure function of what it is for: no state is carried from one step to the next."""

import hashlib
import json

import numpy as np


def seed_for(*parts: str | int) -> int:
    """63-bit seed for a purpose, e.g. `seed_for("augment", seed, step, row)`; the same on every machine."""
    text = json.dumps(parts, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_for(*parts: str | int) -> np.random.Generator:
    """A numpy generator of its own for a purpose."""
    return np.random.Generator(np.random.Philox(key=seed_for(*parts)))


def name_hash(name: str) -> bytes:
    """A draw of 32 bytes that depends on a name alone: on no file's content, and on no other name."""
    return hashlib.sha256(name.encode()).digest()


def digest(value: object, length: int = 12) -> str:
    """Short content hash of anything JSON can hold."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
