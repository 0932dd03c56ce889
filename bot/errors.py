"""One tree of errors. Each carries data; the sentences for people are in :mod:`bot.text`."""

from __future__ import annotations

from datetime import datetime


class VaryError(Exception):
    """Whatever goes wrong in a way that the bot knows.

    ``code`` is what the ledger keeps of it, and what the sentence for people goes by.
    """

    code = "error"


class Refused(VaryError):
    """A request that was turned down before anything was stored or charged."""

    code = "refused"


class BlankPrompt(Refused):
    """The prompt holds nothing that can be seen."""


class PromptTooLong(Refused):
    """The prompt has more characters than ``limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class UnsupportedUpload(Refused):
    """The upload is not a PNG, JPEG, WebP or GIF by its declared type and name."""


class UploadTooLarge(Refused):
    """The upload has more bytes than ``limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class QueueFull(Refused):
    """``limit`` generations are waiting already, over all users."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class UserQueueFull(Refused):
    """The user has ``limit`` generations waiting or running already."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class DailyLimitReached(Refused):
    """The user had ``limit`` generations in 24 hours; the next one is possible at ``free_at``."""

    def __init__(self, limit: int, free_at: datetime) -> None:
        super().__init__(limit, free_at)
        self.limit = limit
        self.free_at = free_at


class StoreUnavailable(VaryError):
    """The database did not take the work: locked, full, read-only, corrupt or gone."""

    code = "store"


class DatabaseUnusable(StoreUnavailable):
    """The database can't be used and won't recover by itself; ``reason`` is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GenArtError(VaryError):
    """The API did not give a result."""

    code = "api"


class BadRequest(GenArtError):
    """400. ``reason`` is the API's own sentence, if it gave one."""

    code = "bad_request"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason


class Unauthorized(GenArtError):
    """401: the API key is incorrect or expired."""

    code = "unauthorized"


class ApiBusy(GenArtError):
    """429 or 503 with Retry-After: the API did not take the work. ``retry_after`` in seconds."""

    code = "busy"

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class ApiFailure(GenArtError):
    """5xx, or a status that is not documented."""

    code = "api_failure"

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ApiTimeout(GenArtError):
    """No answer within the time allowed; the API may have charged for it."""

    code = "timeout"


class ApiUnreachable(GenArtError):
    """No connection to the API, or it broke before an answer. ``sent`` tells whether the request
    can have reached it."""

    code = "unreachable"

    def __init__(self, *, sent: bool) -> None:
        super().__init__(sent)
        self.sent = sent
        if not sent:
            self.code = "not_sent"


class ApiNonsense(GenArtError):
    """A 200 that is not what is documented; ``reason`` is for the log."""

    code = "nonsense"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PictureError(VaryError):
    """A picture that can't be used: a result, unless it is said :meth:`of_source`."""

    code = "picture"

    def of_source(self) -> PictureError:
        """Return the error itself, said of the picture that a generation starts from."""
        self.code = f"source_{self.code}"
        return self


class PictureGone(PictureError):
    """Nothing is behind the link any more."""

    code = "picture_gone"


class PictureUnreachable(PictureError):
    """The picture's host does not answer, or breaks off."""

    code = "picture_unreachable"


class PictureTooLarge(PictureError):
    """More bytes or pixels than are allowed."""

    code = "picture_too_large"


class NotAPicture(PictureError):
    """The bytes do not decode as an image."""

    code = "not_a_picture"


class HostNotAllowed(PictureError):
    """The link leads to a host that is not in ``GENART_IMAGE_HOSTS``."""

    code = "host_not_allowed"

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class DeliveryFailed(VaryError):
    """Discord took the message nowhere."""

    code = "undelivered"


class CardUnavailable(DeliveryFailed):
    """There is no card that a tile could be attached to, nor a place for a new one."""

    code = "no_card"


class UploadRefused(DeliveryFailed):
    """Discord does not take an upload of that size."""
