# syntax=docker/dockerfile:1.7
# The service in a small image: no torch, no compiler, no pip, no weights but the package's own, not root.
#   docker build -t scenesearch .
# With torch, for any model of ultralytics, timm and open_clip; from an index of CPU builds, which saves
# several GB of CUDA, or for a GPU:
#   docker build --target full -t scenesearch:full .
#   docker build --target full --build-arg TORCH_INDEX=https://pypi.org/simple -t scenesearch:full-gpu .
# BuildKit is needed (an engine older than 23: DOCKER_BUILDKIT=1). The releaser may pin the base by its
# digest: --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock /
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --no-deps --require-hashes --only-binary :all: -r /requirements.lock

FROM build AS ours
WORKDIR /src
COPY pyproject.toml README.md LICENSE THIRD_PARTY.md ./
COPY models models
COPY configs configs
COPY scenesearch scenesearch
# beside the environment, so that it is a layer of its own, and the weights, which seldom change, another
RUN pip wheel --no-deps --wheel-dir /wheel . \
    && pip --python /opt/venv/bin/python install --no-deps --no-index --prefix /ours /wheel/*.whl \
    && mv /ours/lib/python3.11/site-packages/scenesearch/_data/models /weights

FROM ${BASE} AS base
LABEL org.opencontainers.image.title="scenesearch" \
    org.opencontainers.image.description="Find every object of a photo in your catalogue" \
    org.opencontainers.image.licenses="AGPL-3.0-or-later"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home --home-dir /home/scenesearch scenesearch \
    && install -d -o scenesearch -g scenesearch /data /models /cache /backup
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SCENESEARCH_CONFIG=offline \
    SCENESEARCH_MODELS_DIR=/models \
    SCENESEARCH_CACHE_DIR=/cache \
    SCENESEARCH_SERVICE__STATE_DIR=/data/state \
    SCENESEARCH_SERVICE__BACKUP_DIR=/backup \
    SCENESEARCH_SERVICE__HOST=0.0.0.0 \
    SCENESEARCH_SERVICE__PORT=8080 \
    SCENESEARCH_SERVICE__LOG=json
WORKDIR /data
VOLUME ["/data", "/models", "/cache", "/backup"]
EXPOSE 8080
# longer than drain_s and deadline_s together; compose says it again
STOPSIGNAL SIGTERM
# alive, not ready: a service without a catalogue yet is not ready, and takes its first items
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=6 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
# tini hands SIGTERM on to one process, and collects what its children leave
ENTRYPOINT ["tini", "--", "scenesearch"]
CMD ["serve"]
COPY --from=build /opt/venv /opt/venv
COPY --from=ours /weights /opt/venv/lib/python3.11/site-packages/scenesearch/_data/models

FROM base AS full
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV YOLO_CONFIG_DIR=/tmp/ultralytics MPLCONFIGDIR=/tmp/matplotlib
COPY --from=ours /ours /opt/venv
# torch has no lock: which of its builds is wanted is the argument's to say; the rest stays as locked
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python freeze --exclude scenesearch > /tmp/locked.txt \
    && pip --python /opt/venv/bin/python install --index-url "${TORCH_INDEX}" \
        --extra-index-url https://pypi.org/simple --constraint /tmp/locked.txt torch torchvision \
    && pip --python /opt/venv/bin/python install --constraint /tmp/locked.txt \
        'scenesearch[lite0,models]' \
    && rm /tmp/locked.txt
USER scenesearch

FROM base
COPY --from=ours /ours /opt/venv
USER scenesearch
