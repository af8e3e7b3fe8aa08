# Image of the gateway in front of the model server.
FROM python:3.11-slim-bookworm
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home ser
COPY docker/gateway.conf /app/
USER ser
WORKDIR /tmp
CMD ["nginx", "-p", "/tmp", "-c", "/app/gateway.conf"]
