# Image of the model server; the code of `ser` is part of the model.
FROM python:3.11-slim-bookworm
RUN useradd --uid 1000 --create-home ser
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --no-deps --extra-index-url "$TORCH_INDEX" torch==2.13.0
COPY docker/requirements/serving.txt /tmp/
RUN pip install --no-cache-dir --no-deps --require-hashes -r /tmp/serving.txt
COPY docker/answers docker/with-secrets /usr/local/bin/
ENV HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MLFLOW_DISABLE_TELEMETRY=true
USER ser
WORKDIR /tmp
ENTRYPOINT ["with-secrets"]
