"""Where things stand in a room: rectangles, collisions, placements. Pure geometry.

Metres. x runs along the back wall, from the middle; y from the front of the furnished part (0) to
the back wall; z up. A yaw of 0 faces the camera (-y), 90 faces +x; corners by that yaw.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import cos, radians, sin
from typing import Literal

import numpy as np

Wall = Literal["back", "left", "right"]
WALLS: tuple[Wall, ...] = ("back", "left", "right")


@dataclass(frozen=True, slots=True)
class Piece:
    """What a plan needs to know of a product: its id, what it is for, and its size in metres."""

    id: str
    role: str
    width: float
    depth: float
    height: float


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece with its footprint's middle, its foot, and the way it faces in degrees.

    ``support`` is the index of the placed piece it stands on, or None for floor and wall.
    """

    piece: Piece
    x: float
    y: float
    z: float
    yaw: float
    support: int | None = None

    def local(self, right: float, forward: float) -> tuple[float, float]:
        """A point beside it, told in its own right and forward, on the room's plan."""
        angle = radians(self.yaw)
        return (
            self.x + right * cos(angle) + forward * sin(angle),
            self.y + right * sin(angle) - forward * cos(angle),
        )

    def footprint(self, margin: float = 0.0) -> np.ndarray:
        """Its four corners on the plan, wider by ``margin`` all around; shape (4, 2)."""
        half_w, half_d = self.piece.width / 2 + margin, self.piece.depth / 2 + margin
        return np.array(
            [self.local(a * half_w, b * half_d) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        )


@dataclass(frozen=True, slots=True)
class Room:
    """A room's kind and size, and the stretch of a side wall that its window takes.

    ``window`` is (wall, middle along the wall, width).
    """

    kind: str
    width: float
    depth: float
    height: float
    window: tuple[Wall, float, float]


TopOf = Callable[[Piece, float, float, float], float | None]
"""Height of a piece's flat top around a point of its own (right, forward) over a radius, or None
where it is not flat there."""


@dataclass
class Plan:
    """A room being filled. Each ``add_*`` gives the index of what it placed, or None if it cannot.

    Attributes:
        pieces: what may still be used.
        limit: how many placements there may be.
    """

    room: Room
    pieces: list[Piece]
    draw: random.Random
    top_of: TopOf
    limit: int
    placed: list[Placed] = field(default_factory=list)

    def take(self, *roles: str) -> Piece | None:
        """A piece of one of the roles, of which no colour stands in the room yet."""
        choice = [piece for piece in self.pieces if piece.role in roles]
        return self.draw.choice(choice) if choice else None

    def add(self, candidate: Placed, *, margin: float = 0.04) -> int | None:
        """Place it, if it is inside the room and touches nothing."""
        if len(self.placed) >= self.limit or not self._free(candidate, margin):
            return None
        self.placed.append(candidate)
        # One product once, save for the sets of chairs, which are placed by hand.
        self.pieces = [piece for piece in self.pieces if piece.id != candidate.piece.id]
        return len(self.placed) - 1

    def add_against(
        self,
        piece: Piece | None,
        walls: Sequence[Wall] = WALLS,
        *,
        near: float | None = None,
        spread: float = 10.0,
        z: float = 0.0,
        tries: int = 30,
    ) -> int | None:
        """Stand it (or hang it) with its back to a wall, about ``near`` along the wall."""
        if piece is None:
            return None
        for _ in range(tries):
            wall = self.draw.choice(list(walls))
            low, high = self._stretch(wall, piece)
            if low > high:
                continue
            if near is None:
                along = self.draw.uniform(low, high)
            else:
                along = min(max(near + self.draw.uniform(-spread, spread), low), high)
            found = self.add(self.at_wall(piece, wall, along, z))
            if found is not None:
                return found
        return None

    def at_wall(self, piece: Piece, wall: Wall, along: float, z: float = 0.0) -> Placed:
        """Its placement with its back to a wall, ``along`` it."""
        gap = 0.03 if z == 0 else 0.002
        off = piece.depth / 2 + gap
        if wall == "back":
            return Placed(piece, along, self.room.depth - off, z, 0.0)
        if wall == "left":
            return Placed(piece, -self.room.width / 2 + off, along, z, 90.0)
        return Placed(piece, self.room.width / 2 - off, along, z, -90.0)

    def add_beside(
        self, piece: Piece | None, base: int | None, right: float, forward: float, turn: float = 0.0
    ) -> int | None:
        """Stand it at a point told in the base's own right and forward, turned against it."""
        if piece is None or base is None:
            return None
        x, y = self.placed[base].local(right, forward)
        return self.add(Placed(piece, x, y, 0.0, self.placed[base].yaw + turn))

    def add_on(self, piece: Piece | None, base: int | None, *, tries: int = 25) -> int | None:
        """Stand it on the flat top of what is placed."""
        if piece is None or base is None:
            return None
        under = self.placed[base]
        radius = max(piece.width, piece.depth) / 2
        reach_w = under.piece.width / 2 - radius - 0.03
        reach_d = under.piece.depth / 2 - radius - 0.02
        if reach_w < 0 or reach_d < 0:
            return None
        for _ in range(tries):
            right = self.draw.uniform(-reach_w, reach_w)
            forward = self.draw.uniform(-reach_d, reach_d)
            top = self.top_of(under.piece, right, forward, radius * 0.8)
            if top is None:
                continue
            x, y = under.local(right, forward)
            turn = self.draw.uniform(-25, 25)
            candidate = Placed(piece, x, y, under.z + top, under.yaw + turn, base)
            found = self.add(candidate, margin=0.02)
            if found is not None:
                return found
        return None

    def add_anywhere(self, piece: Piece | None, *, tries: int = 40) -> int | None:
        """Stand it on free floor, well away from what is there."""
        if piece is None:
            return None
        half = self.room.width / 2
        for _ in range(tries):
            x = self.draw.uniform(-half + 0.4, half - 0.4)
            y = self.draw.uniform(0.3, self.room.depth - 0.4)
            # Faces the middle of the room's front, more or less.
            yaw = float(np.degrees(np.arctan2(-x, y + 1.0))) + self.draw.uniform(-35, 35)
            found = self.add(Placed(piece, x, y, 0.0, yaw), margin=0.12)
            if found is not None:
                return found
        return None

    def _stretch(self, wall: Wall, piece: Piece) -> tuple[float, float]:
        half = piece.width / 2 + 0.05
        if wall == "back":
            return -self.room.width / 2 + half, self.room.width / 2 - half
        return half, self.room.depth - half

    def _free(self, new: Placed, margin: float) -> bool:
        corners = new.footprint()
        half = self.room.width / 2
        inside = (
            (np.abs(corners[:, 0]) <= half + 1e-6).all()
            and (corners[:, 1] <= self.room.depth + 1e-6).all()
            and (corners[:, 1] >= -0.15).all()
            and new.z + new.piece.height <= self.room.height + 1e-6
        )
        if not inside or self._hides_window(new, corners):
            return False
        wide = new.footprint(margin)
        for index, other in enumerate(self.placed):
            if index == new.support:
                continue
            apart = new.z >= other.z + other.piece.height or other.z >= new.z + new.piece.height
            if not apart and _overlap(wide, other.footprint()):
                return False
        return True

    def _hides_window(self, new: Placed, corners: np.ndarray) -> bool:
        wall, middle, width = self.room.window
        if new.z + new.piece.height < 0.95:
            return False
        axis, edge = (0, self.room.depth) if wall == "back" else (1, self.room.width / 2)
        away = edge - corners[:, 1] if wall == "back" else edge - np.abs(corners[:, 0])
        if wall != "back" and (np.sign(new.x) > 0) != (wall == "right"):
            return False
        along = corners[:, axis]
        near = away.min() < 0.35
        return bool(
            near
            and along.max() > middle - width / 2 - 0.1
            and along.min() < middle + width / 2 + 0.1
        )


def again(placed: Placed, x: float, y: float, yaw: float) -> Placed:
    """A second copy of a placed piece elsewhere on the floor."""
    return replace(placed, x=x, y=y, z=0.0, yaw=yaw, support=None)


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two convex quadrilaterals share area: no edge of either parts them."""
    for quad in (one, other):
        for i in range(4):
            edge = quad[(i + 1) % 4] - quad[i]
            normal = np.array([-edge[1], edge[0]])
            mine, theirs = one @ normal, other @ normal
            if mine.max() <= theirs.min() or theirs.max() <= mine.min():
                return False
    return True
