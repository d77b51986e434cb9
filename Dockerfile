# syntax=docker/dockerfile:1.7
# The service in a small image: no compiler, no pip cache, no weights, not root.
#   docker build -t scenesearch .
# torch comes from an index of CPU builds here, which saves several GB of CUDA; for a GPU:
#   docker build --build-arg TORCH_INDEX=https://pypi.org/simple -t scenesearch:gpu .
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
# what changes rarely comes first, so that a change of ours rebuilds only the last layer
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --index-url "${TORCH_INDEX}" --extra-index-url https://pypi.org/simple \
    torch torchvision
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
# the dependencies of the package, without the package: an empty one of its name will do
RUN --mount=type=cache,target=/root/.cache/pip \
    mkdir -p scenesearch models configs && printf '__version__ = "0"\n' > scenesearch/__init__.py \
    && pip install '.[lite0,models,serve,mcp,ocr]' && pip uninstall --yes scenesearch
COPY models models
COPY configs configs
COPY scenesearch scenesearch
RUN pip install --no-deps .

FROM python:${PYTHON}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home --home-dir /home/scenesearch scenesearch \
    && install -d -o scenesearch -g scenesearch /data /models /cache
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SCENESEARCH_MODELS_DIR=/models \
    SCENESEARCH_CACHE_DIR=/cache \
    SCENESEARCH_SERVICE__STATE_DIR=/data/state \
    SCENESEARCH_SERVICE__HOST=0.0.0.0 \
    SCENESEARCH_SERVICE__PORT=8080 \
    YOLO_CONFIG_DIR=/tmp/ultralytics MPLCONFIGDIR=/tmp/matplotlib
USER scenesearch
WORKDIR /data
VOLUME ["/data", "/models", "/cache"]
EXPOSE 8080
# longer than drain_s and deadline_s together; compose says it again
STOPSIGNAL SIGTERM
# alive, not ready: a service without a catalogue yet is not ready, and takes its first items
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=6 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
# tini hands SIGTERM on to one process, and collects what its children leave
ENTRYPOINT ["tini", "--", "scenesearch"]
CMD ["serve"]
