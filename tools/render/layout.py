"""Four kinds of room, furnished as people do: big things first, then what belongs to them.

Pure: takes pieces and a seeded draw, gives placements. A thing that does not fit is left out.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tools.render.plan import WALLS, Piece, Placed, Plan, Room, TopOf, Wall

KINDS = ("living room", "bedroom", "dining room", "study")
_TALL_PLANTS = ("floor_plant", "floor_lamp")


def furnish(kind: str, pieces: Sequence[Piece], draw: random.Random, top_of: TopOf) -> Plan:
    """A room of a kind, filled.

    Args:
        kind: one of :data:`KINDS`.
        pieces: everything there is to choose from.
        draw: the only source of chance.
        top_of: see :data:`tools.render.plan.TopOf`.

    Raises:
        ValueError: an unknown kind.
    """
    fill = {
        "living room": _living,
        "bedroom": _bedroom,
        "dining room": _dining,
        "study": _study,
    }.get(kind)
    if fill is None:
        raise ValueError(f"unknown kind of room {kind!r}: expected one of {', '.join(KINDS)}")
    best: Plan | None = None
    for _ in range(6):
        plan = Plan(_room(kind, draw), list(pieces), draw, top_of, limit=draw.randint(7, 10))
        fill(plan)
        if best is None or len(plan.placed) > len(best.placed):
            best = plan
        if len(best.placed) >= 7:
            break
    assert best is not None
    return best


def _room(kind: str, draw: random.Random) -> Room:
    depth = draw.uniform(3.1, 3.9)
    side: Wall = draw.choice(("left", "right"))
    window: tuple[Wall, float, float] = (side, depth * draw.uniform(0.35, 0.6), 1.2)
    return Room(kind, draw.uniform(3.8, 4.9), depth, draw.uniform(2.5, 2.75), window)


def _living(plan: Plan) -> None:
    room, draw = plan.room, plan.draw
    seat = plan.take("sofa", "sofa", "corner_sofa", "lounge")
    if draw.random() < 0.65:
        main = plan.add_against(seat, ("back",), near=draw.uniform(-0.4, 0.4), spread=0.2)
    else:
        main = plan.add_against(seat, ("left", "right"), near=room.depth * 0.5, spread=0.3)
    table = plan.take("coffee_table")
    middle = None
    if main is not None and table is not None:
        reach = plan.placed[main].piece.depth / 2 + draw.uniform(0.32, 0.45) + table.depth / 2
        middle = plan.add_beside(table, main, draw.uniform(-0.1, 0.1), reach)
    for side in draw.sample((-1, 1), draw.choice((1, 1, 2))):
        chair = plan.take("armchair", "armchair", "armchair", "pouffe")
        if chair is None:
            continue
        base, gap = (middle, 0.4) if middle is not None else (main, 0.5)
        if base is not None:
            off = plan.placed[base].piece.width / 2 + gap + chair.depth / 2
            turn = side * (-90 + draw.uniform(5, 35))
            plan.add_beside(chair, base, side * off, draw.uniform(0.0, 0.25), turn)
    _beside_ends(plan, main, _TALL_PLANTS)
    low = plan.add_against(plan.take("low_storage", "bedside"), WALLS)
    if low is not None:
        plan.add_on(plan.take("table_lamp", "tv", "small"), low)
    plan.add_on(plan.take("small"), middle)
    if draw.random() < 0.6:
        plan.add_against(plan.take("storage"), WALLS)
    _on_wall(plan)
    if draw.random() < 0.4:
        plan.add_on(plan.take("small"), middle)
    _corner_plant(plan)
    if draw.random() < 0.6:
        plan.add_anywhere(plan.take("floor_toy"))


def _bedroom(plan: Plan) -> None:
    draw = plan.draw
    bed = plan.take("bed")
    main = plan.add_against(bed, ("back",), near=draw.uniform(-0.7, 0.7), spread=0.2)
    if main is not None:
        table = plan.take("bedside")
        if table is not None:
            sides = draw.sample((-1, 1), 2)
            back = plan.placed[main].piece.depth / 2 - table.depth / 2
            first = None
            for side in sides[: draw.choice((1, 2))]:
                off = side * (plan.placed[main].piece.width / 2 + 0.08 + table.width / 2)
                if first is None:
                    first = plan.add_beside(table, main, off, -back)
                    plan.add_on(plan.take("table_lamp"), first)
                else:
                    x, y = plan.placed[main].local(off, -back)
                    second = plan.add(Placed(table, x, y, 0.0, plan.placed[main].yaw))
                    plan.add_on(plan.take("small"), second)
    storage = plan.add_against(plan.take("storage", "low_storage"), ("left", "right", "back"))
    if storage is not None and plan.placed[storage].piece.role == "low_storage":
        plan.add_on(plan.take("small", "table_lamp"), storage)
    plan.add_anywhere(plan.take("armchair", "pouffe", "stool", "chair"))
    _on_wall(plan)
    _corner_plant(plan)
    plan.add_anywhere(plan.take("floor_toy"))
    plan.add_against(plan.take("floor_lamp", "low_storage"), ("left", "right", "back"))


def _dining(plan: Plan) -> None:
    room, draw = plan.room, plan.draw
    table = plan.take("dining_table")
    main = None
    if table is not None:
        yaw = draw.choice((0.0, 90.0)) if room.width > 4.4 else 0.0
        main = plan.add(Placed(table, draw.uniform(-0.3, 0.3), room.depth * 0.52, 0.0, yaw))
    if main is not None:
        _chairs(plan, main)
        plan.add_on(plan.take("small"), main)
        lamp = plan.take("hanging")
        if lamp is not None and draw.random() < 0.7:
            under = plan.placed[main]
            plan.add(Placed(lamp, under.x, under.y, room.height - lamp.height, 0.0))
    low = plan.add_against(plan.take("low_storage", "storage"), ("back", "left", "right"))
    if low is not None and plan.placed[low].piece.role == "low_storage":
        plan.add_on(plan.take("table_lamp", "small"), low)
    _on_wall(plan)
    _corner_plant(plan)
    plan.add_against(plan.take("storage", "low_storage", "floor_lamp"), WALLS)
    plan.add_anywhere(plan.take("stool", "floor_toy"))


def _study(plan: Plan) -> None:
    room, draw = plan.room, plan.draw
    walls: Sequence[Wall] = draw.choice((("back",), ("left", "right")))
    main = plan.add_against(plan.take("desk"), walls, near=0.0 if walls[0] == "back" else 1.6)
    if main is not None:
        chair = plan.take("chair")
        if chair is not None:
            desk = plan.placed[main].piece
            off = desk.depth / 2 + chair.depth / 2 + draw.uniform(0.08, 0.3)
            plan.add_beside(chair, main, draw.uniform(-0.2, 0.2), off, 180 + draw.uniform(-50, 50))
        plan.add_on(plan.take("table_lamp"), main)
        plan.add_on(plan.take("small"), main)
    plan.add_against(plan.take("storage"), WALLS)
    plan.add_anywhere(plan.take("armchair", "lounge", "pouffe"))
    low = plan.add_against(plan.take("low_storage"), WALLS)
    plan.add_on(plan.take("small", "tv"), low)
    _on_wall(plan)
    _corner_plant(plan)
    plan.add_anywhere(plan.take("floor_toy"))
    if room.width > 4.3:
        plan.add_anywhere(plan.take("stool", "chair"))


def _chairs(plan: Plan, main: int) -> None:
    table, draw = plan.placed[main].piece, plan.draw
    chair = plan.take("chair")
    other = plan.take("chair")
    if chair is None:
        return
    across = table.depth / 2 + draw.uniform(0.0, 0.12)
    aside = table.width / 2 + draw.uniform(0.0, 0.12)
    shift = table.width * 0.24 if table.width > 1.5 else 0.0
    spots = [
        (-shift, -across, 0.0),
        (aside, 0.0, -90.0),
        (-aside, 0.0, 90.0),
        (shift, across, 180.0),
    ]
    if shift:
        spots.insert(1, (shift, -across, 0.0))
    for index, (right, forward, turn) in enumerate(spots[: draw.randint(3, 4)]):
        which = other if index and other is not None and draw.random() < 0.35 else chair
        # In front of the table's edge by half of the seat: chairs are drawn out a little.
        out = which.depth / 2 + 0.05
        x_off = right + (out if right >= aside else -out if right <= -aside else 0.0)
        y_off = forward + (out if forward >= across else -out if forward <= -across else 0.0)
        x, y = plan.placed[main].local(x_off, y_off)
        yaw = plan.placed[main].yaw + turn + draw.uniform(-12, 12)
        plan.add(Placed(which, x, y, 0.0, yaw), margin=0.01)


def _beside_ends(plan: Plan, main: int | None, roles: Sequence[str]) -> None:
    if main is None:
        return
    side = plan.draw.choice((-1, 1))
    piece = plan.take(*roles)
    if piece is not None:
        base = plan.placed[main].piece
        off = side * (base.width / 2 + 0.1 + piece.width / 2)
        back = base.depth / 2 - piece.depth / 2
        if plan.add_beside(piece, main, off, -back) is None:
            plan.add_beside(piece, main, -off, -back)


def _corner_plant(plan: Plan) -> None:
    piece = plan.take("floor_plant")
    if piece is not None:
        side = plan.draw.choice((-1, 1))
        for sign in (side, -side):
            edge = sign * (plan.room.width / 2 - 0.05 - piece.width / 2)
            y = plan.room.depth - 0.06 - piece.depth / 2
            if plan.add(Placed(piece, edge, y, 0.0, plan.draw.uniform(0, 360))) is not None:
                return


def _on_wall(plan: Plan) -> None:
    piece = plan.take("wall")
    if piece is not None and plan.draw.random() < 0.6:
        plan.add_against(piece, ("back",), z=plan.draw.uniform(1.25, 1.45))
