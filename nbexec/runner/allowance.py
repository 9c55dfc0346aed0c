"""How much output is kept of a cell, wherever that goes."""

from __future__ import annotations

from typing import Dict


class Allowance:
    """How much output a cell may have, wherever that goes.

    Parameters
    ----------
    limit : int
        Bytes that are kept, errors not counted; 0 is all.

    Attributes
    ----------
    used : int
        Bytes that are kept now.
    cut : int
        Bytes that were not kept.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self.used = 0
        self.cut = 0


class _Share:
    def __init__(self) -> None:
        self.used = 0
        self.cut = 0


class Shares:
    """What one area has of the allowances of cells."""

    def __init__(self) -> None:
        self._shares: Dict[Allowance, _Share] = {}

    @property
    def cut(self) -> int:
        """How many bytes are missing in the area."""
        return sum(share.cut for share in self._shares.values())

    @property
    def limit(self) -> int:
        """The limit of the cells that share this allowance."""
        return next(iter(self._shares)).limit

    def take(self, allowance: Allowance, size: int) -> bool:
        """Whether there is room for an output that is kept whole or not at all."""
        has_room = allowance.used + size <= allowance.limit
        self._account(allowance, size if has_room else 0, 0 if has_room else size)
        return has_room

    def take_text(self, allowance: Allowance, text: str) -> str:
        """Return as much of a text as there is room for."""
        if not allowance.limit:
            return text
        encoded = text.encode("utf-8", "replace")
        room = max(0, allowance.limit - allowance.used)
        self._account(allowance, min(len(encoded), room), max(0, len(encoded) - room))
        return text if len(encoded) <= room else encoded[:room].decode("utf-8", "ignore")

    def give_back(self) -> None:
        """Let the cells have other output in the place of what was here."""
        for allowance, share in self._shares.items():
            allowance.used -= share.used
            allowance.cut -= share.cut
        self._shares = {}

    def _account(self, allowance: Allowance, used: int, cut: int) -> None:
        share = self._shares.setdefault(allowance, _Share())
        share.used += used
        share.cut += cut
        allowance.used += used
        allowance.cut += cut
