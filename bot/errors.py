"""One tree of errors. Each carries data; the sentences for people are in :mod:`bot.text`.

::

    VaryError
    ├── Refused                      nothing was stored or charged; the asker is told why
    │   ├── BlankPrompt
    │   ├── PromptTooLong
    │   ├── EncodedPromptTooLong
    │   ├── ParameterNotAllowed
    │   ├── PermutationNotAllowed
    │   ├── PermissionsMissing
    │   ├── UnsupportedUpload
    │   ├── UploadTooLarge
    │   ├── QueueFull
    │   ├── UserQueueFull
    │   ├── DailyLimitReached
    │   ├── UnknownPicture
    │   ├── Elsewhere
    │   ├── NotYours
    │   ├── TooLate
    │   ├── NothingToRetry
    │   └── NothingToFetch
    ├── StoreUnavailable             the database does not take the work now
    │   └── DatabaseUnusable         … and will not by itself
    ├── GenArtError                  the API gave no result
    │   ├── BadRequest
    │   ├── RequestTooLarge
    │   ├── Unauthorized
    │   ├── ApiBusy
    │   ├── ApiFailure
    │   ├── ApiTimeout
    │   ├── ApiUnreachable           nothing was sent
    │   ├── ApiDisconnected          the request may have arrived
    │   └── ApiNonsense
    ├── PictureError                 a picture can't be used
    │   ├── PictureGone
    │   ├── PictureUnreachable
    │   ├── PictureTooLarge
    │   ├── NotAPicture
    │   └── HostNotAllowed
    ├── SourceUnusable               a PictureError of the picture that a generation starts from
    └── DeliveryFailed               Discord took the message nowhere
        ├── CardUnavailable
        ├── UploadRefused
        ├── Blocked                  by AutoMod, or as harmful
        ├── HistoryUnreadable        nobody can tell whether it is posted already
        └── DiscordUnavailable       … now; it may take it later
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bot.domain import ErrorCode, Permission


class VaryError(Exception):
    """Whatever goes wrong in a way that the bot knows.

    ``code`` is what the ledger keeps of it. ``transient`` tells whether the same may work later
    without being paid for again.
    """

    code = ErrorCode.UNFORESEEN
    transient = False


class Refused(VaryError):
    """A request that was turned down before anything was stored or charged."""


class _Limit(Refused):
    """A request over ``limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class BlankPrompt(Refused):
    """The prompt holds nothing that can be seen."""


class PromptTooLong(_Limit):
    """The prompt has more characters than ``limit``."""


class EncodedPromptTooLong(_Limit):
    """Percent-encoded, the request's first line would have ``length`` bytes, over ``limit``."""

    def __init__(self, limit: int, length: int) -> None:
        super().__init__(limit)
        self.length = length


class ParameterNotAllowed(Refused):
    """The prompt holds the parameter ``name``, which is not among ``allowed``."""

    def __init__(self, name: str, allowed: Collection[str]) -> None:
        super().__init__(name)
        self.name = name
        self.allowed = allowed


class PermutationNotAllowed(Refused):
    """The prompt asks for several pictures at once: ``{red, green} bird``."""


class PermissionsMissing(Refused):
    """The bot may not post the result there, and the interaction may end before there is one."""

    def __init__(self, missing: Collection[Permission]) -> None:
        super().__init__(missing)
        self.missing = missing


class UnsupportedUpload(Refused):
    """The upload is not a PNG, JPEG, WebP or GIF by its declared type and name."""


class UploadTooLarge(_Limit):
    """The upload has more bytes than ``limit``."""


class QueueFull(_Limit):
    """``limit`` generations are waiting already, over all users."""


class UserQueueFull(_Limit):
    """The user has ``limit`` generations waiting or running already."""


class DailyLimitReached(_Limit):
    """The user had ``limit`` generations in 24 hours; the next one is possible at ``free_at``."""

    def __init__(self, limit: int, free_at: datetime) -> None:
        super().__init__(limit)
        self.free_at = free_at


class UnknownPicture(Refused):
    """The ledger has no such generation, or it has no such option."""


class Elsewhere(Refused):
    """The button belongs to a message in another place."""


class NotYours(Refused):
    """Only the asker and moderators may do that."""


class TooLate(Refused):
    """The work has begun and can't be cancelled any more."""


class NothingToRetry(Refused):
    """The generation didn't fail, or asking again can't help."""


class NothingToFetch(Refused):
    """The user has no undelivered result in this server."""


class StoreUnavailable(VaryError):
    """The database did not take the work: locked, full, read-only, corrupt or gone."""

    code = ErrorCode.STORE
    transient = True


class DatabaseUnusable(StoreUnavailable):
    """The database can't be used and won't recover by itself; ``reason`` is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GenArtError(VaryError):
    """The API did not give a result."""

    code = ErrorCode.API_FAILURE


class BadRequest(GenArtError):
    """400. ``reason`` is the API's own sentence, if it gave one."""

    code = ErrorCode.BAD_REQUEST

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason


class RequestTooLarge(GenArtError):
    """413, 414 or 431: the request is larger than the API, or what stands before it, takes."""

    code = ErrorCode.REQUEST_TOO_LARGE


class Unauthorized(GenArtError):
    """401: the API key is incorrect or expired."""

    code = ErrorCode.UNAUTHORIZED


class ApiBusy(GenArtError):
    """429 or 503 with Retry-After: the API did not take the work. ``retry_after`` in seconds."""

    code = ErrorCode.BUSY

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class ApiFailure(GenArtError):
    """5xx, or a status that is not documented."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ApiTimeout(GenArtError):
    """No answer within the time allowed; the API may have charged for it."""

    code = ErrorCode.TIMEOUT


class ApiUnreachable(GenArtError):
    """No connection to the API: nothing was asked of it, so nothing was charged."""

    code = ErrorCode.NOT_SENT


class ApiDisconnected(GenArtError):
    """The connection broke before an answer; the API may have charged for it."""

    code = ErrorCode.UNREACHABLE


class ApiNonsense(GenArtError):
    """A 200 that is not what is documented; ``reason`` is for the log."""

    code = ErrorCode.NONSENSE

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PictureError(VaryError):
    """A picture that can't be used."""

    code = ErrorCode.NOT_A_PICTURE


class PictureGone(PictureError):
    """Nothing is behind the link any more."""

    code = ErrorCode.PICTURE_GONE


class PictureUnreachable(PictureError):
    """The picture's host does not answer, or breaks off."""

    code = ErrorCode.PICTURE_UNREACHABLE
    transient = True


class PictureTooLarge(PictureError):
    """More bytes or pixels than are allowed."""

    code = ErrorCode.PICTURE_TOO_LARGE


class NotAPicture(PictureError):
    """The bytes do not decode as an image."""


class HostNotAllowed(PictureError):
    """The link leads to ``host``, which is not in ``GENART_IMAGE_HOSTS``."""

    code = ErrorCode.HOST_NOT_ALLOWED

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class SourceUnusable(VaryError):
    """The picture that a generation starts from can't be used; ``cause`` says why."""

    def __init__(self, cause: PictureError) -> None:
        super().__init__(cause)
        self.code = ErrorCode(f"source_{cause.code}")
        self.transient = cause.transient


class DeliveryFailed(VaryError):
    """Discord took the message nowhere."""

    code = ErrorCode.UNDELIVERED


class CardUnavailable(DeliveryFailed):
    """There is no card that a tile could be attached to, nor a place for a new one."""

    code = ErrorCode.NO_CARD


class UploadRefused(DeliveryFailed):
    """Discord does not take an upload of that size."""


class Blocked(DeliveryFailed):
    """Discord refuses what the message says or links to: AutoMod, or a harmful link."""

    code = ErrorCode.BLOCKED


class HistoryUnreadable(DeliveryFailed):
    """The bot may not read the channel's history, so whether a result is posted is unknown."""

    code = ErrorCode.MAYBE_POSTED


class DiscordUnavailable(DeliveryFailed):
    """Discord does not answer, or asks to wait; it may take the very same request later.

    ``retry_after`` is in seconds, 0 where Discord says nothing of it.
    """

    transient = True

    def __init__(self, retry_after: float = 0) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after
