"""Discord's attachment host: signed links that expire."""

from __future__ import annotations

from aiohttp import web

from sandbox.discord.state import DiscordState


def cdn(state: DiscordState) -> web.Application:
    """Return the application that serves attachments."""

    async def read(request: web.Request) -> web.Response:
        state.cdn_requests.append(request.path_qs)
        key = request.match_info["id"]
        ex, since, hm = (request.query.get(name, "") for name in ("ex", "is", "hm"))
        found = state.readable(int(key), ex, since, hm) if key.isdigit() else None
        if not found or request.match_info["name"] != found.filename:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=found.data, content_type=found.content_type)

    app = web.Application()
    app.router.add_get("/{folder}/{owner}/{id}/{name}", read)
    return app
