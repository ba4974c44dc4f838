"""Frozen dataclasses from plain tables (TOML, JSON) and back, with errors that a user can act on."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from vidstyle.errors import InputError

T = TypeVar("T")

NAMES = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    Fraction: "a time or ratio",
}


#: Numbers of 64 bits do for all settings.
MOST = 2**63
#: Digits above and below a ratio's line.
MOST_DIGITS = 45


def to_plain(value: Any) -> Any:
    """A dataclass as a table of JSON's types; Fractions become texts such as "25/2"."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Fraction) else value


def from_plain(kind: type[T], table: Any, where: str, also: Sequence[str] = ()) -> T:
    """Build dataclass ``kind`` from a table. Fields that whose metadata say ``internal`` are read and not spoken of.

    Args:
        where: how the user knows the table, for messages: "[flow]".
        also: names that the user may give in it, too, which were read before; for messages.
    Raises:
        InputError: an unknown name, a missing one, or a value of the wrong type.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where} must be a table, not {table!r}")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = [name for name in table if name not in fields]
    if unknown:
        known = [*also, *(name for name, field in fields.items() if not field.metadata.get("internal"))]
        raise InputError(f"{where} has no {unknown[0]!r}; it has {', '.join(known) or 'no settings'}")
    hints = typing.get_type_hints(kind)
    values = {name: convert(hints[name], value, f"{where} {name}") for name, value in table.items()}
    needed = [name for name, field in fields.items() if name not in values and not has_default(field)]
    if needed:
        raise InputError(f"{where} needs {needed[0]!r}")
    return kind(**values)


def has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def convert(kind: Any, value: Any, where: str) -> Any:
    """``value`` as ``kind``: a scalar, an optional, a tuple of one kind, or a dataclass (ready, or as a table)."""
    if typing.get_origin(kind) is not tuple and dataclasses.is_dataclass(value) and isinstance(value, kind):
        return value
    if dataclasses.is_dataclass(kind):
        return from_plain(typing.cast(type, kind), value, where)
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        (inner,) = (option for option in typing.get_args(kind) if option is not types.NoneType)
        return convert(inner, value, where)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"{where} must be a list, not {value!r}")
        return tuple(convert(typing.get_args(kind)[0], item, where) for item in value)
    if type(value) is int and abs(value) >= MOST:
        raise InputError(f"{where} must be a number of at most {len(str(MOST))} digits")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is Fraction and isinstance(value, int | float | str):
        try:
            return read_ratio(str(value))
        except (ValueError, ZeroDivisionError):
            pass
    elif type(value) is kind:
        return value
    raise InputError(f"{where} must be {NAMES[kind]}, not {value!r}")


def read_ratio(text: str) -> Fraction:
    """``"25"``, ``"0.1"``, ``"25/2"`` or ``"1e-3"``, exactly; ``to_plain`` of it is read again.

    Raises:
        ValueError, ZeroDivisionError: it is none, or takes more digits than ``MOST_DIGITS``: who writes 1e999999999
            does not wait for its digits.
    """
    if len(text) > 2 * MOST_DIGITS + 2 or re.search(r"e[-+]?[\d_]{3}", text, re.IGNORECASE):
        raise ValueError("too many digits")
    ratio = Fraction(text)
    if max(abs(ratio.numerator), ratio.denominator) >= 10**MOST_DIGITS:
        raise ValueError("too many digits")
    return ratio
