"""Which layout a file is in, by its columns and first rows; never by its name."""

from __future__ import annotations

from scenesearch.catalog.feeds.bigcommerce import BIGCOMMERCE
from scenesearch.catalog.feeds.google import GOOGLE
from scenesearch.catalog.feeds.images import IMAGES
from scenesearch.catalog.feeds.layout import FeedSource, sample_of
from scenesearch.catalog.feeds.magento import MAGENTO
from scenesearch.catalog.feeds.meta import META
from scenesearch.catalog.feeds.plain import PlainSource
from scenesearch.catalog.feeds.prestashop import PRESTASHOP
from scenesearch.catalog.feeds.schema_org import SCHEMA_ORG
from scenesearch.catalog.feeds.shopify import SHOPIFY
from scenesearch.catalog.feeds.shopify_json import SHOPIFY_JSON
from scenesearch.catalog.feeds.tiktok import TIKTOK
from scenesearch.catalog.feeds.woocommerce import WOOCOMMERCE
from scenesearch.catalog.records import Source, shown
from scenesearch.core.errors import CatalogError

LAYOUTS = (
    *(IMAGES, SHOPIFY_JSON, SCHEMA_ORG, TIKTOK, META, SHOPIFY, WOOCOMMERCE, MAGENTO, BIGCOMMERCE),
    *(PRESTASHOP, GOOGLE),
)
"""Tried in this order; a file of none is a plain table."""
PLAIN = "plain"


def as_feed(source: Source, feed: str | None) -> Source:
    """A file as a source of rows of ours.

    Args:
        source: the file.
        feed: the name of a layout, or ``plain``; recognised where None.

    Raises:
        CatalogError: there is no such layout.
    """
    names = {name: layout for layout in LAYOUTS for name in layout.names}
    if feed is not None and feed != PLAIN and feed not in names:
        raise CatalogError(
            f"there is no feed {shown(feed)}: expected {', '.join((PLAIN, *names))}; leave it out "
            f"to have the file recognised",
            code="bad_option",
        )
    if feed is not None:
        if feed != PLAIN:
            return FeedSource(source, names[feed])
        return PlainSource(source, () if source.header is not None else sample_of(source).names)
    sample = sample_of(source)
    if source.header is not None and sample.has("id", "image") and not IMAGES.recognises(sample):
        return PlainSource(source)  # it has our names, whatever else its columns are
    layout = next((one for one in LAYOUTS if one.recognises(sample)), None)
    return PlainSource(source, sample.names) if layout is None else FeedSource(source, layout)
