# chat in a container: `docker build -t chat .`, then `docker run --rm chat --help`.
FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/chat && /opt/chat/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home chat
COPY --from=build /opt/chat /opt/chat
USER 10001
ENTRYPOINT ["/opt/chat/bin/chat"]
