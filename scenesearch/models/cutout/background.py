"""Separate a product from a plain studio background, without any model. numpy and OpenCV.

Most catalogue photos show one product on one flat colour. There the border of the picture says
what the background is, and whatever is connected to the border in that colour is background:
milliseconds instead of the seconds of a matting model, and exact edges. Everything else is
refused with a reason, so that the caller can fall back to matting or to the plain crop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import Image, Mask
from scenesearch.models.cutout.composite import tight_box

# Masks are found on at most this many pixels a side (every n-th pixel of larger pictures), and
# only their edges are decided on all pixels.
_WORKING_SIDE = 512
_MIN_SPECK = 1.2e-4  # of the picture: 30 pixels of 500 x 500, below which a component is dust
_MIN_GAP = 1.0e-3  # of the picture: 250 pixels of 500 x 500, below which an enclosed gap is kept

_AROUND = np.ones((3, 3), np.uint8)
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)

_RIPPLE, _STRONG = 14, 100  # in 0..255: how far JPEG moves pixels beside an edge that strong
_SHADOW_DEPTH = 70  # in 0..255: what is darker than the background by more is no soft shadow


@dataclass(frozen=True, slots=True)
class PlainBackground:
    """A background of (almost) one colour.

    Attributes:
        colour: RGB, the median of the border.
        share: of the border pixels that are of that colour, 0 to 1.
        noise: 95th percentile of how far those pixels are from it, in 0..255 of the channel that
            differs most: 0 for a synthetic white, a few for JPEG, more for a photographed sheet.
    """

    colour: tuple[int, int, int]
    share: float
    noise: float


@dataclass(frozen=True, slots=True, eq=False)
class Separation:
    """What :func:`separate` found.

    Attributes:
        mask: shape (height, width), True on the subject; all False when there is a reason.
        box: tight around the subject, (x1, y1, x2, y2) half-open pixels, or None.
        background: the plain colour, or None where there is none.
        reason: why there is no subject, empty where there is one.
    """

    mask: Mask
    box: tuple[int, int, int, int] | None
    background: PlainBackground | None
    reason: str = ""


def plain_background(
    image: Image, *, border: float = 0.03, tolerance: float = 12.0, min_share: float = 0.9
) -> PlainBackground | None:
    """The colour of a plain background, or None where the border is not of one colour.

    Args:
        image: shape (height, width, 3).
        border: width of the ring that is looked at, as a share of the shorter side.
        tolerance: how far a pixel may be from the ring's median, in 0..255 of the channel that
            differs most.
        min_share: of the ring that must be within the tolerance. A product may run out of the
            picture on a side or two.
    """
    height, width = image.shape[:2]
    ring = max(1, round(min(height, width) * border))
    step = -(-max(height, width) // _WORKING_SIDE)
    strips = (image[:ring], image[-ring:], image[ring:-ring, :ring], image[ring:-ring, -ring:])
    pixels = np.concatenate([strip[::step, ::step].reshape(-1, 3) for strip in strips])
    middle = np.array([round(_quantile(pixels[:, axis], 0.5)) for axis in range(3)], np.uint8)
    distances = _distances(pixels[None], middle)[0]
    plain = distances <= tolerance
    share = float(plain.mean())
    if share < min_share:
        return None
    red, green, blue = (int(value) for value in middle)
    return PlainBackground((red, green, blue), share, _quantile(distances[plain], 0.95))


def _quantile(values: NDArray[np.uint8], share: float) -> float:
    """As ``numpy.quantile``, by counting: there are only 256 values."""
    upto = np.bincount(values, minlength=256).cumsum()
    place = share * (len(values) - 1)
    low, high = np.searchsorted(upto, (int(place), math.ceil(place)), side="right").tolist()
    part = place - int(place)
    return float(low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part))


def background_mask(
    image: Image, background: PlainBackground, *, tolerance: float | None = None
) -> Mask:
    """True on the subject: what is not connected to the border in the background's colour.

    Parts of the subject in the background's colour stay, because nothing connects them to the
    border. Gaps that the subject encloses (between the legs of a chair) are removed when they
    are large and are the very background. Soft neutral shadows are removed where the subject
    is far enough from the background's colour to be told from them. Specks are dropped.

    Args:
        image: shape (height, width, 3).
        background: from :func:`plain_background`.
        tolerance: how far background pixels may be from its colour, in 0..255 of the channel
            that differs most. By default what the border's own noise asks for, 4 at least, so
            that white products on white keep their edges.

    Returns:
        Shape (height, width); all False where nothing stands out.
    """
    height, width = image.shape[:2]
    step = -(-max(height, width) // _WORKING_SIDE)
    own = min(max(4.0, 1.5 * background.noise + 3.0), 20.0)
    limit = own if tolerance is None else tolerance
    colour = np.array(background.colour, np.uint8)
    small = image[::step, ::step]
    mask = _subject(small, _distances(small, colour), limit, background.noise)
    if step == 1 or not mask.any():
        return _full_size(mask, step, (height, width))
    return _refine_edges(image, mask, step, colour, limit)


def separate(
    image: Image,
    *,
    border: float = 0.03,
    tolerance: float | None = None,
    min_share: float = 0.01,
    max_share: float = 0.98,
) -> Separation:
    """The subject of a picture with a plain background, or the reason why there is none.

    Args:
        image: shape (height, width, 3).
        border: as in :func:`plain_background`.
        tolerance: as in :func:`background_mask`.
        min_share: of the picture that the subject must cover.
        max_share: of the picture that the subject may cover.
    """
    nothing = np.zeros(image.shape[:2], np.bool_)
    background = plain_background(image, border=border)
    if background is None:
        return Separation(nothing, None, None, "the border is not of one colour")
    mask = background_mask(image, background, tolerance=tolerance)
    share = np.count_nonzero(mask) / mask.size
    if share < min_share:
        reason = f"only {share:.1%} of the picture stands out from its background"
        return Separation(nothing, None, background, reason)
    if share > max_share:
        reason = f"{share:.1%} of the picture stands out, so its border is no background"
        return Separation(nothing, None, background, reason)
    return Separation(mask, tight_box(mask), background)


def _distances(pixels: Image, colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Largest difference of a channel from the colour; (rows, columns, 3) to (rows, columns)."""
    import cv2

    # four numbers of 64 bits are what OpenCV takes for one colour
    one = np.array([*colour, 0], np.float64)
    red, green, blue = cv2.split(cv2.absdiff(pixels, one))
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def _subject(image: Image, distances: NDArray[np.uint8], limit: float, noise: float) -> Mask:
    alike = (distances <= limit) | _ringing(distances)
    labels, sizes = _parts(alike, connectivity=4)
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = np.zeros(len(sizes), np.bool_)
    outside[edges] = True
    outside[0] = False
    sizes[outside] = 0
    sizes[0] = 0
    outside |= _true_gaps(labels, sizes, distances, limit, noise)
    mask = ~outside[labels]
    mask = _without_shadow(image, distances, mask)
    return _without_specks(mask)


def _ringing(distances: NDArray[np.uint8]) -> Mask:
    """Faint pixels within a JPEG block's reach of a strong contrast: ripples of its edge.

    A white product has no strong contrast at its rim, so its own faint rim is not touched.
    """
    import cv2

    strongest = cv2.dilate(distances, np.ones((9, 9), np.uint8))
    return np.asarray((distances <= _RIPPLE) & (strongest >= _STRONG))


def _true_gaps(
    labels: NDArray[np.int32],
    sizes: NDArray[np.intp],
    distances: NDArray[np.uint8],
    limit: float,
    noise: float,
) -> NDArray[np.bool_]:
    """Which labels are large areas as flat and as near the background's colour as the border.

    A white part of the product is shaded, so few of its pixels are exactly the background.
    """
    gaps = np.zeros(len(sizes), np.bool_)
    for label in np.flatnonzero(sizes >= _MIN_GAP * labels.size):
        inside = distances[labels == label]
        # Ripples of the edge around the gap say nothing about what is behind it.
        inside = inside[inside <= limit]
        gaps[label] = inside.size > 0 and np.mean(inside <= noise + 1.0) >= 0.85
    return gaps


def _without_shadow(image: Image, distances: NDArray[np.uint8], mask: Mask) -> Mask:
    """The mask less the soft shadow at its rim.

    A cast shadow is the background's colour made darker, without edges, and connected to the
    background. That is also true of a white product, so nothing is removed unless
    most of the subject is far from the background.
    """
    import cv2

    near = mask & (distances < _SHADOW_DEPTH)
    if np.count_nonzero(near) < _MIN_GAP * mask.size or (
        _quantile(distances[mask], 0.5) < _SHADOW_DEPTH
    ):
        return mask
    red, green, blue = cv2.split(image)
    low = np.asarray(cv2.min(cv2.min(red, green), blue), np.uint8)
    tinted = cv2.subtract(cv2.max(cv2.max(red, green), blue), low) > 14
    # The largest step to a neighbour, over a window that outlasts the noise of JPEG.
    smooth = _mean_of_three(_mean_of_three(low, 0), 1)
    step = cv2.dilate(smooth, _AROUND) - cv2.erode(smooth, _AROUND)
    soft = near & ~tinted & (step <= 6)
    if np.count_nonzero(soft) < _MIN_GAP * mask.size:
        return mask
    labels, sizes = _parts(soft, connectivity=4)
    count = len(sizes)
    outside = cv2.dilate((~mask).view(np.uint8), _CROSS).view(np.bool_)
    # beyond the picture is not soft, so that its edge is a rim
    core = cv2.erode(
        soft.view(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0
    ).view(np.bool_)
    rim = np.bincount(labels[soft & ~core], minlength=count)
    contact = np.bincount(labels[soft & outside], minlength=count)
    rows = np.broadcast_to(np.arange(mask.shape[0])[:, None], mask.shape)
    heights = np.bincount(labels[soft], weights=rows[soft], minlength=count)
    # A hard rim is not soft, so a light part of the product touches the background by leaks
    # only, while a shadow fades along a good part of its own rim; and it lies low.
    is_shadow = (contact >= 0.25 * rim) & (heights / sizes > np.median(rows[mask]))
    is_shadow &= sizes >= _MIN_GAP * mask.size / 2
    is_shadow[0] = False
    return np.asarray(mask & ~is_shadow[labels])


def _parts(mask: Mask, connectivity: int) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Connected parts: a label from 1 on for each of their pixels, and the size of each label."""
    import cv2

    # its form that counts too takes twice as long as both steps
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=connectivity)
    return np.asarray(labels, np.int32), np.bincount(labels.ravel(), minlength=count)


def _mean_of_three(values: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    """Each value with its neighbours along an axis, rounded down; the edges count twice."""
    import cv2

    side = (1, 3) if axis == 0 else (3, 1)
    sums = cv2.boxFilter(values, cv2.CV_16U, side, normalize=False, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(sums // 3, np.uint8)


def _without_specks(mask: Mask) -> Mask:
    labels, sizes = _parts(mask, connectivity=8)
    kept = sizes >= _MIN_SPECK * mask.size
    if len(sizes) <= 2 or kept[1:].all():
        return mask
    kept[0] = False
    return np.asarray(kept[labels])


def _full_size(mask: Mask, step: int, shape: tuple[int, int]) -> Mask:
    if step == 1:
        return mask
    large = mask.repeat(step, axis=0).repeat(step, axis=1)
    return large[: shape[0], : shape[1]]


def _refine_edges(
    image: Image, mask: Mask, step: int, colour: NDArray[np.uint8], limit: float
) -> Mask:
    """The mask of every ``step``-th pixel at full size, with every pixel of the rim decided."""
    import cv2

    shape = image.shape[:2]
    small = mask.view(np.uint8)
    core = _full_size(cv2.erode(small, _AROUND).view(np.bool_), step, shape)
    reach = _full_size(cv2.dilate(small, _AROUND).view(np.bool_), step, shape)
    rim = reach & ~core
    result: Mask = core.copy()
    result[rim] = _distances(image[rim][None], colour)[0] > limit
    return result
