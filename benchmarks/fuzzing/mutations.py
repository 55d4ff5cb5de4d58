"""Ways to change a file so that it still is what it was to its reader's first look: sums mended, trees kept trees."""

import hashlib
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

from ssl_bench.store.seal import MARK, STEP

Mutate = Callable[[bytes, random.Random], bytes]
"""Other bytes, the same for the same generator."""

NUMBERS = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**32 - 1, 2**63)
STRANGE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        "",
        "x",
        [],
        {},
        [[]],
        [{}],
        {"": {}},
        -1,
        0,
        1,
        3,
        1e308,
        -1e308,
        5e-324,
        0.5,
        2**63,
    ),
    *(
        10**39,
        "\x1b]0;x\x07",
        "../../x",
        "/etc/passwd",
        "a" * 300,
        "\ud800",
        "\0",
        "NaN",
        "1/0",
        "<script>",
        "| |",
    ),
    *("\u202e", "\n", "all", "cpu", [1, 2], ["a", "b"], {"a": 1}, [None], [0.5, "x", None], -0.0),
)
"""In place of a value of JSON."""


def havoc(data: bytes, generator: random.Random) -> bytes:
    """A few bytes flipped, set, removed, repeated or moved."""
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 4, 8))):
        size = len(changed)
        place, length = generator.randrange(size + 1), generator.choice((1, 1, 2, 4, 8, 32))
        match generator.randrange(7):
            case 0 if place < size:
                changed[place] ^= 1 << generator.randrange(8)
            case 1 if place < size:
                changed[place] = generator.choice((0, 1, 127, 128, 255, generator.randrange(256)))
            case 2:
                del changed[place : place + length]
            case 3:
                changed[place:place] = changed[place : place + length] * generator.choice((1, 2, 50))
            case 4:
                changed[place:place] = generator.randbytes(length)
            case 5:
                form = generator.choice(("<H", ">H", "<I", ">I", "<Q"))
                number = generator.choice(NUMBERS) & (256 ** struct.calcsize(form) - 1)
                changed[place : place + struct.calcsize(form)] = struct.pack(form, number)
            case 6:
                del changed[place:]
    return bytes(changed)


def of_json(data: bytes, generator: random.Random) -> bytes:
    """A value of the tree replaced, removed, repeated, or put where another was; now and then bytes."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return havoc(data, generator)
    if generator.random() < 0.1:
        return havoc(data, generator)
    for _ in range(generator.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            return havoc(data, generator)
        holder, key = generator.choice(places)
        match generator.randrange(6):
            case 0 | 1:
                holder[key] = generator.choice(STRANGE)
            case 2:
                del holder[key]
            case 3:
                other, place = generator.choice(places)
                holder[key] = json.loads(json.dumps(other[place]))
            case 4 if isinstance(holder[key], int | float):
                holder[key] = generator.choice(
                    (-holder[key], holder[key] * 1e9, float(holder[key]), str(holder[key]))
                )
            case _ if isinstance(holder, list):
                holder.insert(key, holder[key])
            case _:
                holder[generator.choice(("", "x", "id", "name", "schema", str(key).upper()))] = holder[key]
        tree = json.loads(json.dumps(tree))
    return json.dumps(tree).encode()


def _places(tree: Any) -> "list[tuple[Any, Any]]":
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        found += [(node, key) for key in keys]
        waiting += [node[key] for key in keys]
    return found


def resummed(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    whole, place = bytearray(data), 8
    while place + 12 <= len(whole):
        end = place + 8 + struct.unpack_from(">I", whole, place)[0]
        if end + 4 > len(whole):
            break
        struct.pack_into(">I", whole, end, zlib.crc32(whole[place + 4 : end]))
        place = end + 4
    return bytes(whole)


def sealed(data: bytes) -> bytes:
    """A checkpoint whose first line has the checksum of the rest."""
    head, _, content = data.partition(b"\n")
    return b"".join(
        (MARK, hashlib.sha256(content).hexdigest().encode(), *head.partition(STEP)[1:], b"\n", content)
    )


def then(mend: Callable[[bytes], bytes], mutate: Mutate = havoc) -> Mutate:
    """Changed, and mostly mended."""

    def both(data: bytes, generator: random.Random) -> bytes:
        changed = mutate(data, generator)
        return mend(changed) if generator.random() < 0.8 else changed

    return both
