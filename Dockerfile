# The bot alone, not as root. Its database is on the volume /data.
FROM python:3.11.14-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

COPY requirements.txt ./
RUN pip install --require-hashes --requirement requirements.txt

COPY bot ./bot
COPY cogs ./cogs

RUN useradd --system --uid 10001 vary && install --directory --owner vary /data
USER vary
VOLUME /data
ENV DATABASE_URL=sqlite:////data/vary.db

# Says whether Discord, the API, the database and the hosts of pictures can be reached from here.
# It costs a request to each, so it is asked rarely.
HEALTHCHECK --interval=5m --timeout=60s --start-period=30s --retries=3 \
    CMD ["python", "-m", "bot", "check"]

# The shell form would keep SIGTERM from the bot, which needs it to finish what runs.
CMD ["python", "-m", "bot"]
