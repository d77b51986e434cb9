"""What a photo may cost."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a photo may cost. Every limit is inclusive: a photo exactly at it is accepted.

    Attributes:
        max_bytes: size of the encoded file.
        max_pixels: width times height of what is decoded, from the header, before anything is.
            A JPEG may have four times as many (twice, where it is progressive): it is scaled by
            2, 4 or 8 as it is decoded. Above Pillow's own ``PIL.Image.MAX_IMAGE_PIXELS`` (89
            million) raise that one too.
        min_side: the shorter side, in pixels.
        max_side: the longer side, in pixels.
        max_aspect: the longer side divided by the shorter one.
        max_scans: passes of a progressive JPEG; each costs as much as a decode.
        allow_truncated: take what is there of a file that was cut off, with a warning, instead
            of refusing it. The missing part is grey, black or white, as the format has it.

    Raises:
        ValueError: a limit that is not positive, or ``min_side`` above ``max_side``.
    """

    max_bytes: int = 40_000_000
    max_pixels: int = 8192 * 6144  # photos of phones of "50 megapixels" have 8160 x 6144
    min_side: int = 16
    max_side: int = 16_384
    max_aspect: float = 20.0
    max_scans: int = 100
    allow_truncated: bool = False

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if limit.name != "allow_truncated" and not value > 0:
                raise ValueError(f"ImageLimits.{limit.name} must be above 0, got {value}")
        if self.min_side > self.max_side:
            raise ValueError(
                f"ImageLimits.min_side must not be above max_side, "
                f"got {self.min_side} and {self.max_side}"
            )
