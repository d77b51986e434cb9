"""Settings to pipelines: the only folder that names adapters."""

from scenesearch.wiring.backups import copyable, put_back
from scenesearch.wiring.benchmarks import build_benchmark_runner
from scenesearch.wiring.catalogue import (
    build_indexer,
    build_searcher,
    build_syncer,
    index_node,
    region_rules,
)
from scenesearch.wiring.collections import (
    compact_collection,
    describe_collection,
    drop_collection,
    list_collections,
    name_collection,
)
from scenesearch.wiring.fetch_models import FetchedProfile, fetch_profile
from scenesearch.wiring.fetching import CatalogFile, build_catalog_photos, catalog_file, photo_book
from scenesearch.wiring.generations import (
    GenerationsRecord,
    config_of,
    drop_generation,
    settings_of,
    stored_name,
)
from scenesearch.wiring.models import (
    build_detector,
    build_embedder,
    build_reader,
    build_remover,
    build_reranker,
    build_tower,
    export_detector,
    export_models,
    scene_loader,
)
from scenesearch.wiring.parts import Parts
from scenesearch.wiring.photos import (
    build_scene_finder,
    build_scene_index,
    build_tagger,
)
from scenesearch.wiring.stores import (
    EMBEDDINGS,
    ITEMS,
    build_cache,
    build_inspected,
    build_store,
    first_lock_file,
    forget_indexes,
    is_cramped,
    is_url,
    quantize,
    rebuilding,
    state_dir,
    store_memory,
    sync_lock_file,
)

__all__ = [
    "EMBEDDINGS",
    "ITEMS",
    "CatalogFile",
    "FetchedProfile",
    "GenerationsRecord",
    "Parts",
    "build_benchmark_runner",
    "build_cache",
    "build_catalog_photos",
    "build_detector",
    "build_embedder",
    "build_indexer",
    "build_inspected",
    "build_reader",
    "build_remover",
    "build_reranker",
    "build_scene_finder",
    "build_scene_index",
    "build_searcher",
    "build_store",
    "build_syncer",
    "build_tagger",
    "build_tower",
    "catalog_file",
    "compact_collection",
    "config_of",
    "copyable",
    "describe_collection",
    "drop_collection",
    "drop_generation",
    "export_detector",
    "export_models",
    "fetch_profile",
    "first_lock_file",
    "forget_indexes",
    "index_node",
    "is_cramped",
    "is_url",
    "list_collections",
    "name_collection",
    "photo_book",
    "put_back",
    "quantize",
    "rebuilding",
    "region_rules",
    "scene_loader",
    "settings_of",
    "state_dir",
    "store_memory",
    "stored_name",
    "sync_lock_file",
]
